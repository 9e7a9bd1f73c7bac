/** The look of the desk: dense, calm, one accent; green and red belong to prices alone. */

import { createTheme, type MantineColorsTuple } from "@mantine/core";

const tide: MantineColorsTuple = [
  "#eaf3fc", "#d3e4f5", "#a5c8ec", "#74aae4", "#4c90dc", "#3380d8", "#2375d2", "#1763b8", "#0c579f", "#024a88",
]; // prettier-ignore

// Mantine's own names for the dark side: text from 0, the page at 7, what lies deeper at 8 and 9.
const ink: MantineColorsTuple = [
  "#dfe6ee", "#b8c4d1", "#93a3b4", "#6f8194", "#33414f", "#26323f", "#1c2631", "#141c25", "#0f161d", "#0a0f15",
]; // prettier-ignore

const red: MantineColorsTuple = [
  "#fdeef0", "#fbe0e4", "#f6bcc4", "#f19aa6", "#ee8593", "#e5697a", "#c93f55", "#b3243b", "#9a1c31", "#7d1426",
]; // prettier-ignore

const slate: MantineColorsTuple = [
  "#f6f8fa", "#eef2f5", "#e2e8ee", "#d0d9e2", "#b3c0cc", "#8796a5", "#5f6f7f", "#475665", "#2f3c49", "#1c2733",
]; // prettier-ignore

export const theme = createTheme({
  primaryColor: "tide",
  primaryShade: { light: 7, dark: 6 },
  colors: { tide, red, dark: ink, gray: slate },
  fontFamily: '"Inter", system-ui, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace',
  fontSizes: { xs: "0.75rem", sm: "0.8125rem", md: "0.875rem", lg: "1rem", xl: "1.125rem" },
  defaultRadius: "sm",
  radius: { xs: "2px", sm: "4px", md: "6px", lg: "10px", xl: "16px" },
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    Button: { defaultProps: { size: "xs" } },
    ActionIcon: { defaultProps: { variant: "subtle", size: "lg" } },
    TextInput: { defaultProps: { size: "xs" } },
    NumberInput: { defaultProps: { size: "xs" } },
    PasswordInput: { defaultProps: { size: "sm" } },
    Select: { defaultProps: { size: "xs" } },
    MultiSelect: { defaultProps: { size: "xs" } },
    Textarea: { defaultProps: { size: "xs" } },
    Checkbox: { defaultProps: { size: "xs" } },
    Switch: { defaultProps: { size: "xs" } },
    SegmentedControl: { defaultProps: { size: "xs" } },
    Tooltip: { defaultProps: { openDelay: 300, withArrow: true } },
    Modal: {
      styles: { title: { fontWeight: 650 } },
      defaultProps: { centered: true, overlayProps: { backgroundOpacity: 0.5 } },
    },
    Drawer: { defaultProps: { position: "right", size: "lg", overlayProps: { backgroundOpacity: 0.4 } } },
  },
});
