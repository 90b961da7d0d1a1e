// Returns what is wrong with how the e-mail on the page looks, as a list of texts.
(() => {
  const WIDTH = window.innerWidth;
  const faults = [];
  const told = (node) => JSON.stringify((node.textContent || node.tagName).trim().replace(/\s+/g, " ").slice(0, 60));

  function channels(colour) {
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  }
  function luminance(rgb) {
    const [r, g, b] = rgb.map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
  function contrast(one, other) {
    const [low, high] = [luminance(one), luminance(other)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  }
  function background(element) {
    for (let each = element; each; each = each.parentElement) {
      const found = channels(getComputedStyle(each).backgroundColor);
      if (found.a === 1) return found.rgb;
    }
    return [255, 255, 255];
  }
  // The lines that a text stands in, without the blanks around it.
  function lines(node) {
    const range = document.createRange();
    range.selectNodeContents(node);
    return [...range.getClientRects()].filter((rect) => rect.width > 1 && rect.height > 1);
  }
  function block(element) {
    while (getComputedStyle(element).display.startsWith("inline")) element = element.parentElement;
    return element;
  }
  function visible(element) {
    return element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  }

  if (document.documentElement.scrollWidth > WIDTH)
    faults.push(`the page is ${document.documentElement.scrollWidth} pixels wide`);

  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode;
    const parent = node.parentElement;
    if (!node.data.trim() || !visible(parent)) continue;
    for (const rect of lines(node)) {
      if (rect.left < -0.5 || rect.right > WIDTH + 0.5) faults.push(`${told(node)} leaves the window`);
      for (let each = parent; each; each = each.parentElement) {
        const hull = each.getBoundingClientRect();
        const hides = getComputedStyle(each).overflow !== "visible" && each !== document.body;
        const sideways = rect.left < hull.left - 0.5 || rect.right > hull.right + 0.5;
        // Glyphs are taller than a short line height; what matters is that the middle of the line is seen.
        const middle = (rect.top + rect.bottom) / 2;
        if (hides && (sideways || middle < hull.top || middle > hull.bottom)) faults.push(`${told(node)} is clipped`);
      }
    }
    const ratio = contrast(channels(getComputedStyle(parent).color).rgb, background(parent));
    if (ratio < 4.5) faults.push(`${told(node)} has a contrast of ${ratio.toFixed(2)}`);
  }

  // Where pictures are not shown, their texts are.
  for (const each of document.querySelectorAll("img")) {
    const ratio = contrast(channels(getComputedStyle(each).color).rgb, background(each));
    if (ratio < 4.5) faults.push(`the text of a picture has a contrast of ${ratio.toFixed(2)}`);
  }

  const blocks = new Set();
  for (const each of document.querySelectorAll("body *"))
    if (visible(each) && [...each.childNodes].some((one) => one.nodeType === Node.TEXT_NODE && one.data.trim()))
      blocks.add(block(each));
  for (const each of blocks) {
    const style = getComputedStyle(each);
    const hull = each.getBoundingClientRect();
    const inside = lines(each);
    if (style.direction !== document.documentElement.dir) faults.push(`${told(each)} runs ${style.direction}`);
    if (!inside.length || style.textAlign === "center" || each.closest("a")) continue;
    const left = Math.min(...inside.map((rect) => rect.left)) - hull.left;
    const right = hull.right - Math.max(...inside.map((rect) => rect.right));
    const gap = document.documentElement.dir === "rtl" ? right : left;
    const side = document.documentElement.dir === "rtl" ? "right" : "left";
    if (gap > parseFloat(style.paddingInlineStart) + 1) faults.push(`${told(each)} does not begin at the ${side}`);
  }

  for (const each of document.querySelectorAll("img:not([alt]), table:not([role])"))
    faults.push(`<${each.localName}> tells a screen reader nothing`);
  if (document.querySelectorAll("h1").length !== 1) faults.push("there is not one heading");
  return [...new Set(faults)];
})();
