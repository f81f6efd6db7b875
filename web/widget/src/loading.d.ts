// Made by the build: what loads a part, for what has to know whether it is there.
declare module 'loading:inbox' {
  export const part: import('./later.js').Part;
}
