import { invitationLink, shownForm, type Invitation } from './invitation.ts';
import { qrPng } from './qr-png.ts';

/** What a mail says, whoever gets it. */
export interface MailContent {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly image: { readonly cid: string; readonly png: Buffer };
}

const SUBJECT = 'Invitation to a Tandem session';
const UNEXPECTED = 'Nothing happens unless you join. If you did not expect this mail, ignore it.';
/** Names the picture within its mail alone. */
const QR_CID = 'code@tandem';

/** The one mail that Tandem sends. Its words are ours but for the note, which is text in both parts and in no header. */
export async function writeInvitation(invitation: Invitation): Promise<MailContent> {
  const link = invitationLink(invitation);
  const { png, size } = await qrPng(link);
  return {
    subject: SUBJECT,
    text: textOf(invitation, link),
    html: htmlOf(invitation, link, size),
    image: { cid: QR_CID, png },
  };
}

function textOf({ code, codeExpiresAt, note }: Invitation, link: string): string {
  const lines = [
    'You are invited to a Tandem session.',
    ...(note === null ? [] : ['', 'A note from whoever invites you:', `> ${note}`]),
    '',
    'Join by this link:',
    link,
    '',
    `Or type this code: ${shownForm(code)}`,
    `It works until ${until(codeExpiresAt)}.`,
    '',
    UNEXPECTED,
  ];
  return `${lines.join('\n')}\n`;
}

function htmlOf({ code, codeExpiresAt, note }: Invitation, link: string, size: number): string {
  const shown = shownForm(code);
  const quoted =
    note === null
      ? ''
      : `<p>A note from whoever invites you:</p>\n<blockquote style="margin:0 0 16px;padding-left:12px;border-left:3px solid #999" dir="auto">${escape(note)}</blockquote>\n`;
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${SUBJECT}</title></head>
<body style="font-family:sans-serif;line-height:1.5">
<p>You are invited to a Tandem session.</p>
${quoted}<p><a href="${escape(link)}">Join the session</a></p>
<p>Or type this code: <strong style="font-size:20px;letter-spacing:1px">${escape(shown)}</strong></p>
<p><img src="cid:${QR_CID}" width="${size}" height="${size}" alt="QR code of the link that joins with ${escape(shown)}"></p>
<p>It works until ${until(codeExpiresAt)}.</p>
<p style="color:#666">${UNEXPECTED}</p>
</body>
</html>
`;
}

function until(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
