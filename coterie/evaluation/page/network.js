// Draws the network by WebGL: communities as colours, influence as size, and a cascade by waves.
"use strict";
(() => {
  const told = JSON.parse(document.getElementById("network-data").textContent);
  const place = document.getElementById("network-canvas");
  const about = document.getElementById("network-about");
  const slider = document.getElementById("network-wave");
  const play = document.getElementById("network-play");
  const people = told.x.length;

  const colour = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

  const graph = new graphology.Graph({ type: "undirected" });
  for (let i = 0; i < people; i++) {
    graph.addNode(i, { x: told.x[i], y: told.y[i], size: told.size[i], color: told.colour[i] });
  }
  for (const [one, other] of told.pairs) graph.mergeEdge(one, other);

  // The wave in which each was reached; Infinity: never.
  const wave = new Float64Array(people).fill(Infinity);
  told.waves.forEach((reached, number) => reached.forEach((i) => { wave[i] = number; }));
  let step = 0, near = null, ink = "", faint = "", line = "";

  const node = (key, held) => {
    const shown = { ...held };
    if (step > 0) {
      const reached = wave[key] < step;
      shown.color = reached ? held.color : faint;
      shown.zIndex = reached ? 1 : 0;
      if (wave[key] === step - 1) { shown.size = held.size * 1.5 + 2; shown.color = ink; }
    }
    if (near && !near.has(key)) shown.color = faint;
    return shown;
  };
  const edge = (key, held) => {
    const [one, other] = graph.extremities(key);
    const lit = near ? near.has(one) && near.has(other) : step > 0 && Math.max(wave[one], wave[other]) < step;
    return { ...held, color: lit ? ink : line, size: lit ? 0.9 : 0.4, hidden: Boolean(near) && !lit };
  };

  let drawn;
  try {
    drawn = new Sigma(graph, place, {
      nodeReducer: node, edgeReducer: edge, renderLabels: false, zIndex: true,
      minCameraRatio: 0.05, maxCameraRatio: 3, stagePadding: 24, allowInvalidContainer: true,
    });
  } catch (error) {
    about.textContent = "This browser has no WebGL: the picture cannot be drawn.";
    return;
  }

  const say = () => {
    if (!slider) return;
    const total = told.reached.slice(0, step).reduce((sum, one) => sum + one, 0);
    const words = step === 0 ? "Before anybody has it." : step === 1
      ? `${total.toLocaleString("en")} people were given it.`
      : `Wave ${step - 1}: ${total.toLocaleString("en")} people have it.`;
    about.textContent = words;
    slider.setAttribute("aria-valuetext", words);
  };
  const go = (to) => { step = to; slider.value = String(to); say(); drawn.refresh({ skipIndexation: true }); };

  drawn.on("enterNode", ({ node: key }) => {
    near = new Set([key, ...graph.neighbors(key)]);
    about.textContent = `Community ${told.community[key]}, core ${told.core[key]}, ${graph.degree(key)} acquaintances on the picture.`;
    drawn.refresh({ skipIndexation: true });
  });
  drawn.on("leaveNode", () => { near = null; say(); drawn.refresh({ skipIndexation: true }); });

  if (slider) {
    let timer = 0;
    const stop = () => { clearInterval(timer); timer = 0; play.textContent = "Play"; };
    slider.addEventListener("input", () => { stop(); go(Number(slider.value)); });
    play.addEventListener("click", () => {
      if (timer) { stop(); return; }
      play.textContent = "Stop";
      go(step >= told.waves.length ? 0 : step);
      timer = setInterval(() => (step < told.waves.length ? go(step + 1) : stop()), 900);
    });
  }

  const dress = () => {
    ink = colour("ink"); faint = colour("grid"); line = colour("line");
    drawn.refresh({ skipIndexation: true });
  };
  dress();
  say();
  place.dataset.drawn = "yes";
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dress);
})();
