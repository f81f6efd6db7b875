import { getServerSession } from 'next-auth';
import { signIn } from '../sign-in';

export default async function Page() {
  const session = await getServerSession(signIn);
  return <p>{session ? `Signed in as ${session.user.email}` : 'Nobody is signed in'}</p>;
}
