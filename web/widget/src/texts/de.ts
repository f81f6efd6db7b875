import { de } from '@doorbell/react/texts/de';
import type { PanelTexts } from './en.js';

export const texts: PanelTexts = {
  ...de,
  outdated: 'Diese Seite ist älter als der Chat. Laden Sie sie neu, um fortzufahren: was Sie geschrieben haben, bleibt.',
  reload: 'Neu laden',
};
