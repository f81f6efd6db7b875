import { es } from '@doorbell/react/texts/es';
import type { PanelTexts } from './en.js';

export const texts: PanelTexts = {
  ...es,
  outdated: 'Esta página es anterior al chat actual. Vuelve a cargarla para continuar: lo que has escrito se conserva.',
  reload: 'Volver a cargar',
};
