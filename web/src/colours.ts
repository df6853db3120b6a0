// Colours of numbers: viridis, which is read without red and green, and in grey.
export const STOPS = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"] as const;
export const WARNING = "#e08a00";
export const FAILED = "#d6264f";
