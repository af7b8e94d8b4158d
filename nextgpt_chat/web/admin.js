// What is counted on the page stays as new as it is on the server; what is being written in forms stays as it is.
"use strict";

const EVERY = 10000;

async function renew() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.pathname.replace(/\/(open|close|again|guidelines|import|create)$/, ""));
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    const live = document.getElementById("live");
    if (!fresh) return;
    live.querySelectorAll("details").forEach((one, i) => {
      const same = fresh.querySelectorAll("details")[i];
      if (same) same.open = one.open;
    });
    if (live.innerHTML !== fresh.innerHTML) live.innerHTML = fresh.innerHTML;
  } catch { /* the next time will do */ }
}

setInterval(renew, EVERY);
