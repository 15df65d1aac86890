// Loads what is shown anew when the console says that it has changed. A form that is being filled in stays.
(() => {
  const watched = document.querySelector("[data-live]");
  if (!watched || !window.EventSource) return;
  const source = new EventSource(watched.dataset.live);
  const isBusy = () => {
    const active = document.activeElement;
    return active && active.closest("form") && active.matches("input, textarea, select");
  };
  const reload = async () => {
    if (isBusy()) return;
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-live]");
    if (fresh) document.querySelector("[data-live]").innerHTML = fresh.innerHTML;
  };
  source.onmessage = reload;
  source.onopen = () => document.documentElement.classList.add("is-live");
  source.onerror = () => document.documentElement.classList.remove("is-live");
})();
