import type { ReactNode } from 'react';

// Those of one component stand with it, for bundles that fetch it later.
// Drawn on a grid of 24, in lines of 1.75: a dozen icons need no library.
export const icon = (drawing: ReactNode, isDirected = false) =>
  function Icon() {
    return (
      <svg className={isDirected ? 'db-icon db-icon-directed' : 'db-icon'} viewBox="0 0 24 24" aria-hidden="true">
        {drawing}
      </svg>
    );
  };

export const path = (d: string) => <path d={d} />;

export const BackIcon = icon(path('M14.5 5.5 8 12l6.5 6.5'), true);
export const CloseIcon = icon(path('m6 6 12 12M18 6 6 18'));
export const DownIcon = icon(path('M12 5v14m-6-6 6 6 6-6'));
export const SendIcon = icon(path('M4.5 12 3.6 5.2c-.1-.9.7-1.5 1.5-1.1l14.7 7c.8.4.8 1.5 0 1.9l-14.7 7c-.8.4-1.6-.3-1.5-1.1L4.5 12Zm0 0h7'), true);
export const AttachIcon = icon(path('m19.5 11.5-7.6 7.6a4.6 4.6 0 0 1-6.5-6.5l7.9-7.9a3.1 3.1 0 0 1 4.4 4.4l-7.8 7.8a1.6 1.6 0 0 1-2.2-2.2l7.2-7.2'));
export const CameraIcon = icon(<><path d="M4 8.5A1.5 1.5 0 0 1 5.5 7H8l1.5-2.5h5L16 7h2.5A1.5 1.5 0 0 1 20 8.5v9a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 17.5Z" /><circle cx="12" cy="12.8" r="3.3" /></>);
export const ChatIcon = icon(path('M12 4c-4.7 0-8.5 3.2-8.5 7.2 0 2.2 1.2 4.2 3 5.5l-.5 3.3 3.6-1.8c.8.1 1.6.2 2.4.2 4.7 0 8.5-3.2 8.5-7.2S16.7 4 12 4Z'));
export const ClockIcon = icon(<><circle cx="12" cy="12" r="8" /><path d="M12 7.5V12l3 2" /></>);
export const TickIcon = icon(path('m5 12.5 4.5 4.5L19 7.5'));
export const ReadIcon = icon(path('m2.5 12.5 4.5 4.5L16.5 7.5M12 16l1 1 9.5-9.5'));
export const FailedIcon = icon(<><circle cx="12" cy="12" r="8.5" /><path d="M12 7.5v5.5m0 3v.1" /></>);
