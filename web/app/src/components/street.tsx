/** A row of doors, each of its own kind; the third has its light on. */
const DOORS = [
  { x: 8, width: 74, height: 150, door: '#0d5c56', wall: '#e8b98c', top: 'arch' },
  { x: 96, width: 66, height: 172, door: '#b5473a', wall: '#f1e2c6', top: 'flat' },
  { x: 176, width: 80, height: 158, door: '#ffb938', wall: '#5d7f8c', top: 'arch' },
  { x: 270, width: 62, height: 140, door: '#33567f', wall: '#d98f6a', top: 'gable' },
  { x: 346, width: 76, height: 166, door: '#7d4a78', wall: '#cfd8c3', top: 'flat' },
] as const;
const GROUND = 216;

export function Street({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 430 240" className={className} aria-hidden="true">
      <circle cx="352" cy="42" r="26" fill="#ffb938" />
      <path d="M40 52q14-16 28 0 14-16 28 0" fill="none" stroke="currentColor" strokeWidth="3.5" strokeLinecap="round" opacity=".55" />
      {DOORS.map((house) => (
        <House key={house.x} {...house} />
      ))}
      <rect x="0" y={GROUND} width="430" height="9" rx="4.5" fill="currentColor" opacity=".22" />
    </svg>
  );
}

function House({ x, width, height, door, wall, top }: (typeof DOORS)[number]) {
  const y = GROUND - height;
  const middle = x + width / 2;
  const roof =
    top === 'arch' ? `M${x} ${y + width / 2}a${width / 2} ${width / 2} 0 0 1 ${width} 0V${GROUND}H${x}z`
    : top === 'gable' ? `M${x - 4} ${y + 26}L${middle} ${y - 8}l${width / 2 + 4} 34V${GROUND}H${x - 4}z`
    : `M${x} ${y}h${width}V${GROUND}H${x}z`;
  const doorWidth = width * 0.5;
  const doorX = middle - doorWidth / 2;
  const isLit = door === '#ffb938';
  return (
    <g>
      <path d={roof} fill={wall} />
      <g fill={isLit ? '#fff1c9' : '#ffffff'} opacity={isLit ? 1 : 0.5}>
        <rect x={middle - 20} y={y + 40} width="16" height="20" rx="2" />
        <rect x={middle + 4} y={y + 40} width="16" height="20" rx="2" />
      </g>
      <path d={`M${doorX} ${GROUND}v-58a${doorWidth / 2} ${doorWidth / 2} 0 0 1 ${doorWidth} 0v58z`} fill={door} />
      <path d={`M${doorX + 6} ${GROUND - 50}h${doorWidth - 12}v20h-${doorWidth - 12}zM${doorX + 6} ${GROUND - 24}h${doorWidth - 12}v18h-${doorWidth - 12}z`} fill="#000" opacity=".14" />
      <circle cx={doorX + doorWidth - 6} cy={GROUND - 26} r="2.4" fill="#fff4d6" />
      <circle cx={doorX + doorWidth + 7} cy={GROUND - 40} r="3.4" fill="#fff4d6" />
      <path d={`M${doorX - 4} ${GROUND}h${doorWidth + 8}v-4h-${doorWidth + 8}z`} fill="#000" opacity=".2" />
    </g>
  );
}
