/** The few icons of the desk, drawn on a grid of 24 with one stroke, so that no icon library is needed. */

import type { ReactNode } from "react";

export interface IconProps {
  size?: number;
}

function icon(drawing: ReactNode) {
  return function Icon({ size = 20 }: IconProps) {
    return (
      <svg
        width={size}
        height={size}
        viewBox="0 0 24 24"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.75"
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
        focusable="false"
      >
        {drawing}
      </svg>
    );
  };
}

export const MarketIcon = icon(<path d="M4 5h7v6H4zM13 5h7v9h-7zM4 13h7v6H4zM13 16h7v3h-7z" />);
export const ChartIcon = icon(<path d="M7 4v16M17 3v15M5 8h4v7H5zM15 6h4v8h-4z" />);
export const SignalIcon = icon(
  <path d="M12 12v8M8.5 15.5a5 5 0 1 1 7 0M5.6 18.4a9 9 0 1 1 12.8 0M12 12h.01" />,
);
export const OrdersIcon = icon(<path d="M6 3h12v18l-3-2-3 2-3-2-3 2zM9.5 8h5M9.5 12h5" />);
export const PositionsIcon = icon(<path d="M3 8h18v11H3zM8 8V5h8v3M3 13h18" />);
export const StrategiesIcon = icon(
  <path d="M5 5h5v5H5zM14 14h5v5h-5zM7.5 10v3.5a3 3 0 0 0 3 3H14M16.5 14v-3.5a3 3 0 0 0-3-3H10" />,
);
export const SystemIcon = icon(<path d="M12 3l8 4-8 4-8-4zM4 12l8 4 8-4M4 17l8 4 8-4" />);
export const SunIcon = icon(
  <path d="M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4" />,
);
export const MoonIcon = icon(<path d="M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z" />);
export const PowerIcon = icon(<path d="M12 3v8M6.6 7a8 8 0 1 0 10.8 0" />);
export const SearchIcon = icon(<path d="M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM20 20l-4-4" />);
export const PlayIcon = icon(<path d="M7 5l12 7-12 7z" />);
export const PauseIcon = icon(<path d="M8 5v14M16 5v14" />);
export const WarningIcon = icon(<path d="M12 4l9 16H3zM12 10v4M12 17h.01" />);
export const CloseIcon = icon(<path d="M6 6l12 12M18 6L6 18" />);
export const LeaveIcon = icon(<path d="M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9" />);
export const RefreshIcon = icon(<path d="M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6" />);
export const PlusIcon = icon(<path d="M12 5v14M5 12h14" />);
export const MoreIcon = icon(<path d="M5 12h.01M12 12h.01M19 12h.01" strokeWidth="3" />);
