import { icon, path } from '../theme/icons.js';

export const NextIcon = icon(path('M9.5 5.5 16 12l-6.5 6.5'), true);
export const FileIcon = icon(path('M13.5 3.5H7A1.5 1.5 0 0 0 5.5 5v14A1.5 1.5 0 0 0 7 20.5h10a1.5 1.5 0 0 0 1.5-1.5V8.5Zm0 0v5h5'));
export const DownloadIcon = icon(path('M12 4v11m-5-5 5 5 5-5M5 20h14'));
export const PlayIcon = icon(<path d="M8 5.2v13.6c0 .7.8 1.2 1.4.8l10.5-6.8c.5-.4.5-1.2 0-1.6L9.4 4.4C8.8 4 8 4.5 8 5.2Z" fill="currentColor" />);
export const RetryIcon = icon(path('M19.5 12a7.5 7.5 0 1 1-2.2-5.3L19.5 9m0-5v5h-5'));
