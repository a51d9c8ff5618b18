// Says what the browser made of the page, for the test to read in the DOM.
addEventListener("load", () => {
  const picture = document.getElementById("picture");
  const colour = getComputedStyle(document.body).backgroundColor;
  document.getElementById("said").textContent =
    `picture ${picture.naturalWidth}x${picture.naturalHeight}, background ${colour}`;
});
