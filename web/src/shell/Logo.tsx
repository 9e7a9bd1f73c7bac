/** The mark: three candles, each higher than the last. */

export function Logo({ size = 24, withName = true }: { size?: number; withName?: boolean }) {
  return (
    <span style={{ display: "inline-flex", alignItems: "center", gap: size * 0.35 }}>
      <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
        <rect width="32" height="32" rx="7" fill="#16324f" />
        <path d="M8 6v20M16 10v14M24 5v15" stroke="#7fa6d6" strokeWidth="1.6" strokeLinecap="round" />
        <rect x="5.5" y="14" width="5" height="8" rx="1.2" fill="#e5697a" />
        <rect x="13.5" y="13" width="5" height="8" rx="1.2" fill="#35c496" />
        <rect x="21.5" y="8" width="5" height="9" rx="1.2" fill="#35c496" />
      </svg>
      {withName && (
        <span style={{ fontWeight: 700, fontSize: size * 0.6, letterSpacing: "-0.015em" }}>niftyflow</span>
      )}
    </span>
  );
}
