/** What the server that these pages come from is for: the sample marketplace, or somebody's inbox. It says so in the page. */
export const isDemo = document.documentElement.dataset.server === 'demo';

/**
 * Whether what is missing is told to whoever looks: nobody can be signed in at this server yet, as it says in the page, or it
 * is looked at on the machine that it runs on.
 */
export const isBeingSetUp = document.documentElement.dataset.signIn === 'none' || ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname);

/** Of the sample marketplace. */
export const MARKETPLACE = 'Latchkey';
