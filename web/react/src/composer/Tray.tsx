import { useSurroundings } from '../provider/context.js';
import { UploadTile } from '../media/UploadTile.js';
import { CloseIcon } from '../theme/icons.js';
import type { Files } from './useFiles.js';

/** What goes with the next message, each with a way to take it out, and what was refused. */
export function Tray({ files }: { files: Files }) {
  const { wording: { texts } } = useSurroundings();
  const { uploads, refused } = files;
  return (
    <>
      {refused.length > 0 && (
        <div className="db-refused">
          <ul>{refused.map((sentence) => <li key={sentence}>{sentence}</li>)}</ul>
          <button type="button" className="db-icon-button" aria-label={texts.close} onClick={files.dismissRefused}><CloseIcon /></button>
        </div>
      )}
      {uploads.length > 0 && (
        <>
          <ul className="db-tray" aria-label={texts.filesToSend}>
            {uploads.map((upload) => <li key={upload.id}><UploadTile upload={upload} isAlone={false} onRemove={() => files.remove(upload)} /></li>)}
          </ul>
          {uploads.some(({ file }) => file.type.startsWith('image/')) && <p className="db-hint">{texts.locationRemoved}</p>}
        </>
      )}
    </>
  );
}
