import type { Message, Person } from '@doorbell/client';
import { ana, ben, chloe, dario, file, me, message, photo, video } from './data.js';

const SENTENCES = [
  'Hello! I saw the loft and I like it a lot.', 'Is it still free from the first of March?', 'Yes, it is.', 'There is a lift, and a place for bicycles in the yard.',
  'Wonderful 😊', 'The kitchen was renovated last year: new oven, new floor, and the window to the river opens fully, so it is bright from morning until late in the afternoon.',
  'How loud is it at night?', 'Quiet. The bedroom looks onto the yard.', 'Could I see it this week?', 'Thursday at six would work for me.', 'Here is the plan of the flat: https://example.com/plans/loft-by-the-river.',
  'Thanks, that helps.', 'What about heating costs?', 'About 60 € a month in winter.', 'OK!', 'See you then',
];

/** What one would see in a screenshot: everything once. */
export function mixed(id: string): Message[] {
  const list: [Person, string, number, Message['attachments']?][] = [
    [me, 'Hello Ana! Is “Loft by the river” still available?', 60 * 49],
    [ana, 'Hi Noor! Yes, it is. When would you like to move in?', 60 * 48.9],
    [ana, 'Here are a few pictures that are not in the listing yet.', 60 * 48.85],
    [ana, '', 60 * 48.84, [photo(2, 1600, 1100)]],
    [me, 'Oh, that light! From the first of March, if that works for you.', 60 * 48],
    [ana, 'March is good. The plan is here: https://example.com/plans/loft-by-the-river', 60 * 26],
    [ana, '', 60 * 25.9, [file]],
    [me, '👍', 60 * 25.8],
    [ana, 'A short walk through the rooms, filmed this morning:', 60 * 25.3],
    [ana, '', 60 * 25.2, [video]],
    [ana, 'And the rest of the flat.', 60 * 3, [photo(1, 1200, 1200), photo(3, 1600, 1067), photo(6, 1000, 1400), photo(8, 1800, 900)]],
    [me, 'Thank you, this is exactly what I am looking for. Could I come and see it this week? Thursday or Friday after work would suit me best.', 12],
    [me, 'I would come by bike.', 11],
    [ana, 'Thursday is good.', 6],
    [ana, 'Perfect, Thursday at six. I’ll send you the code for the door.', 4],
  ];
  return list.map(([sender, text, minutes, attachments], index) => message(id, index + 1, sender, text, minutes, attachments));
}

export function group(id: string): Message[] {
  const people = [ben, chloe, me, dario];
  return Array.from({ length: 24 }, (_, index) => message(id, index + 1, people[Math.floor(index / 2) % 4]!, SENTENCES[(index * 3) % SENTENCES.length]!, (24 - index) * 9));
}

export function long(id: string, count: number): Message[] {
  return Array.from({ length: count }, (_, index) => message(id, index + 1, index % 7 < 3 ? me : ana, `${index + 1}. ${SENTENCES[index % SENTENCES.length]}`, (count - index) * 3));
}

const SHAPES: [number | null, number | null][] = [[1600, 1200], [1000, 1600], [2400, 700], [null, null], [600, 600], [90, 60], [700, 2200]];

/** Text and photos of all shapes; the photos come from the network, late. */
export function photos(id: string, count: number): Message[] {
  return Array.from({ length: count }, (_, index) => {
    const [width, height] = SHAPES[index % SHAPES.length]!;
    const pictures = index % 3 === 0 ? Array.from({ length: index % 12 === 0 ? 3 : 1 }, (_unused, at) => photo(1000 + index * 4 + at, width, height, `./photo/${width ?? 640}x${height ?? 480}-${index}-${at}.svg`)) : undefined;
    return message(id, index + 1, index % 5 < 2 ? me : ana, index % 3 === 0 && index % 2 ? '' : `${index + 1}. ${SENTENCES[(index * 5) % SENTENCES.length]}`, (count - index) * 7, pictures);
  });
}

export function rightToLeft(id: string): Message[] {
  return [
    message(id, 1, ana, 'مرحبًا نور! نعم، الشقة ما زالت متاحة.', 90), message(id, 2, me, 'رائع! هل يمكنني رؤيتها يوم الخميس؟', 80),
    message(id, 3, ana, 'الخميس الساعة السادسة مناسب. العنوان: Rua das Flores 12', 70), message(id, 4, me, 'The address is fine, thank you.', 12), message(id, 5, ana, 'إلى اللقاء', 5),
  ];
}
