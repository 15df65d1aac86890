// The texts of the page that are hard to read: less contrast than WCAG AA asks for.
const channels = (color) => {
  const parts = color.match(/[\d.]+/g).map(Number);
  return { rgb: parts.slice(0, 3), alpha: parts.length > 3 ? parts[3] : 1 };
};
const luminance = (rgb) => {
  const linear = rgb.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
};
const contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
// What is painted behind an element: its own background, a box of the same drawing, or that of its parent.
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    if (at instanceof SVGElement && at.localName === "g") {
      const box = at.querySelector(":scope > rect");
      const fill = box && getComputedStyle(box).fill;
      if (fill && fill !== "none") return channels(fill).rgb;
    }
    const { rgb, alpha } = channels(getComputedStyle(at).backgroundColor);
    if (alpha === 1) return rgb;
    if (alpha > 0) throw new Error("a background lets another one through: " + at.outerHTML);
  }
  return document.documentElement.matches(":root") && matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
};
document.querySelectorAll("details").forEach((details) => details.setAttribute("open", ""));
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const texts = { seen: 0, faint: [] };
const look = (element, text) => {
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  if (style.visibility === "hidden" || box.width === 0 || box.right < 0) return;
  const color = element instanceof SVGElement ? style.fill : style.color;
  const ratio = contrast(channels(color).rgb, behind(element));
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight, 10) >= 700);
  texts.seen += 1;
  if (ratio < (isLarge ? 3 : 4.5)) texts.faint.push(`${text}: ${ratio.toFixed(2)}, ${color} in ${element.localName}.${element.getAttribute("class")}`);
};
while (walker.nextNode()) {
  const text = walker.currentNode.textContent.trim();
  if (text) look(walker.currentNode.parentElement, text.slice(0, 40));
}
document.querySelectorAll("input, textarea, select").forEach((input) => input.type === "hidden" || look(input, `the ${input.localName} ${input.name}`));
return texts;
