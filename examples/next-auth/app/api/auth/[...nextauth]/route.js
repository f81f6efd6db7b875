import NextAuth from 'next-auth';
import { signIn } from '../../../../sign-in';

const handler = NextAuth(signIn);
export { handler as GET, handler as POST };
