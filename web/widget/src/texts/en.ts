import { en } from '@doorbell/react';

/** The texts of the components, and the panel's own. */
export const texts = {
  ...en,
  outdated: 'This page is older than the chat. Reload it to go on: what you have written stays.',
  reload: 'Reload',
};

export type PanelTexts = typeof texts;
