/** What the server that these pages come from is for: the sample marketplace, or somebody's inbox. It says so in the page. */
export const isDemo = document.documentElement.dataset.server === 'demo';

/** Of the sample marketplace. */
export const MARKETPLACE = 'Latchkey';
