// Keeps a page new: it is fetched again when something happens to what it shows. Without this script a reload does it.
const find = document.getElementById("find") ?? document.getElementById("q");
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && find) { event.preventDefault(); find.focus(); }
});
for (const field of document.querySelectorAll("input[name=zone][type=hidden]"))
  field.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
// On a narrow screen the menu goes on beside the screen: show where one is.
document.querySelector("nav a[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
const live = document.querySelector("[data-live]");
const stream = live && new EventSource(live.dataset.live);
stream?.addEventListener("open", () => live.classList.add("is-live"));
stream?.addEventListener("changed", async () => {
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  const fresh = page.querySelector("[data-live]");
  // Whoever is just typing or reading by keys here keeps the page as it is.
  if (fresh && !live.contains(document.activeElement)) live.replaceChildren(...fresh.childNodes);
});
