// The page: #/ lists studies, #/studies/ID shows one, #/webhooks shows who is told of events.

import { h, show } from "/ui/dom.js";
import { openList } from "/ui/studies.js";
import { openStudy } from "/ui/study.js";
import { openWebhooks, showLink } from "/ui/webhooks.js";

const main = document.getElementById("main");
let close = () => {};

async function route() {
  close();
  const [, id] = location.hash.match(/^#\/studies\/([\w-]+)$/) ?? [];
  document.getElementById("live").hidden = true;
  main.replaceChildren(h("p", { class: "quiet" }, "Loading…"));
  window.scrollTo(0, 0);
  let closed = false;
  const stops = [];
  close = () => {
    closed = true;
    stops.forEach((stop) => stop());
  };
  const view = { main, onClose: (stop) => stops.push(stop), isClosed: () => closed };
  try {
    const open = location.hash === "#/webhooks" ? openWebhooks : openList;
    await (id ? openStudy(view, id) : open(view));
  } catch (error) {
    if (!closed) showError(error);
  }
}

function showError(error) {
  document.title = "metaopt";
  show(
    main,
    h("section", { class: "card error empty" },
      h("h1", {}, error.status === 404 ? "No such study" : "That did not work"),
      h("p", { class: "quiet" }, error.message),
      h("p", {}, h("a", { href: "#/" }, "All studies"))),
  );
}

addEventListener("hashchange", route);
route();
showLink();
