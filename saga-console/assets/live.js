// Loads what is shown anew when the console says that it has changed. A form that is being filled in stays.
(() => {
  const watched = document.querySelector("[data-live]");
  if (!watched || !window.EventSource) return;
  const source = new EventSource(watched.dataset.live);
  const isBusy = () => {
    const active = document.activeElement;
    return active && active.closest("form") && active.matches("input, textarea, select");
  };
  let isStale = false;
  const reload = async () => {
    isStale = isBusy();
    if (isStale) return;
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-live]");
    if (fresh) document.querySelector("[data-live]").innerHTML = fresh.innerHTML;
  };
  source.onmessage = reload;
  // The console watches from now on. What has changed since the page was made is on no message.
  source.onopen = () => {
    document.documentElement.classList.add("is-live");
    reload();
  };
  // The focus has moved on when the next task runs.
  document.addEventListener("focusout", () => setTimeout(() => isStale && reload()));
  source.onerror = () => document.documentElement.classList.remove("is-live");
})();
