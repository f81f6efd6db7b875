import { ar } from '@doorbell/react/texts/ar';
import type { PanelTexts } from './en.js';

export const texts: PanelTexts = {
  ...ar,
  outdated: 'هذه الصفحة أقدم من المحادثة. أعد تحميلها للمتابعة، وما كتبته محفوظ.',
  reload: 'إعادة التحميل',
};
