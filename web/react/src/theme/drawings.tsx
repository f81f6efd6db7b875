/** For an empty list: two doors, and a message between them. */
export function EmptyDrawing() {
  return (
    <svg className="db-drawing" viewBox="0 0 200 132" aria-hidden="true">
      <path className="db-drawing-ground" d="M14 118h172" />
      <path className="db-drawing-wall" d="M26 118V58c0-14 10-24 24-24s24 10 24 24v60Zm100 0V58c0-14 10-24 24-24s24 10 24 24v60Z" />
      <path className="db-drawing-door" d="M36 118V62c0-8 6-14 14-14s14 6 14 14v56Zm100 0V62c0-8 6-14 14-14s14 6 14 14v56Z" />
      <circle className="db-drawing-dot" cx="58" cy="86" r="2.5" />
      <circle className="db-drawing-dot" cx="142" cy="86" r="2.5" />
      <path className="db-drawing-bubble" d="M78 24c0-8 6-12 13-12h20c7 0 13 5 13 12v8c0 7-6 12-13 12H98l-11 9 2-9.5c-6-.7-11-5-11-11.5Z" />
      <path className="db-drawing-line" d="M90 24h23M90 32h14" />
      <path className="db-drawing-leaf" d="M100 118c0-14-3-22-10-28m10 28c0-18 3-27 11-34m-11 34c0-10-1-24 0-36" />
    </svg>
  );
}

/** For a list with nothing chosen, and a search with no result. */
export function ChooseDrawing() {
  return (
    <svg className="db-drawing" viewBox="0 0 200 132" aria-hidden="true">
      <path className="db-drawing-ground" d="M24 118h152" />
      <rect className="db-drawing-wall" x="40" y="22" width="120" height="84" rx="14" />
      <rect className="db-drawing-door" x="52" y="34" width="60" height="18" rx="9" />
      <rect className="db-drawing-bubble" x="84" y="60" width="64" height="18" rx="9" />
      <rect className="db-drawing-door" x="52" y="84" width="42" height="12" rx="6" />
      <circle className="db-drawing-dot" cx="61" cy="43" r="2.5" />
      <circle className="db-drawing-dot" cx="70" cy="43" r="2.5" />
      <circle className="db-drawing-dot" cx="79" cy="43" r="2.5" />
    </svg>
  );
}
