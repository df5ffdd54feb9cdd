// Read by static/src/app.css through @config. Colours are CSS variables, so that light and dark share every class.
/** @type {import('tailwindcss').Config} */
module.exports = {
  content: ["./views/**/*.templ", "./static/picker.js"],
  theme: {
    extend: {
      colors: {
        success: "var(--success)",
        warning: "var(--warning)",
        info: "var(--info)",
        brand: "var(--brand)",
        canvas: "var(--canvas)",
      },
      maxWidth: {
        page: "76rem",
      },
    },
  },
};
