// The button of the season report: the page has nothing else that moves.
document.getElementById("print").addEventListener("click", () => print());
