import { ref, type Ref } from 'vue';

const unread = ref(0);
let isLoaded = false;

/** Loads the widget once. `unread` is what waits to be read. */
export function useDoorbell(getToken: () => Promise<string | null>): { unread: Ref<number> } {
  if (!isLoaded) {
    isLoaded = true;
    Object.assign(window, { doorbell: { getToken } });
    window.addEventListener('doorbell:ready', (event) => {
      (event as CustomEvent).detail.on('unread', (count: number) => (unread.value = count));
    });
    const script = document.createElement('script');
    script.src = `${import.meta.env.VITE_DOORBELL_URL}/widget.js`;
    document.head.append(script);
  }
  return { unread };
}
