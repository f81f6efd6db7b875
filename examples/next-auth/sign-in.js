// How the site signs its people in: by a password that is no secret.
import CredentialsProvider from 'next-auth/providers/credentials';

export const signIn = {
  providers: [
    CredentialsProvider({
      credentials: { username: {}, password: {} },
      authorize: ({ username, password }) =>
        password === `password of ${username}` ? { id: username, name: `Name of ${username}`, email: `${username}@example.com` } : null,
    }),
  ],
};
