export function Mark({ size = 34 }: { size?: number }) {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden="true">
      <rect width="32" height="32" rx="9" className="fill-brand" />
      <path d="M7 15.5 16 7l9 8.5V18a7 7 0 0 1-7 7h-4a7 7 0 0 1-7-7z" className="fill-card" />
      <circle cx="16" cy="15.6" r="2.6" className="fill-brand" />
      <path d="M14.9 17h2.2l.9 5h-4z" className="fill-brand" />
      <circle cx="25.2" cy="7.6" r="4" className="fill-sun" />
    </svg>
  );
}
