// Who is logged in, and the way out; on a server without keys nobody is, and nothing is shown.

import * as api from "/ui/api.js";

export async function showSession() {
  const who = await api.identity().catch(() => null);
  if (who === null) return;
  document.getElementById("optuna-link").hidden = who.projects !== null; // it shows all projects
  if (who.via !== "session") return;
  const button = document.getElementById("log-out");
  button.title = `${who.name}, project ${who.project}`;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await api.logOut();
    location.assign("/login");
  });
}
