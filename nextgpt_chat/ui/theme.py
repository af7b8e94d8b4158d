"""How the page looks: a quiet theme, system fonts, nothing fetched from outside."""

import gradio as gr

FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "monospace"]


def theme() -> gr.themes.Base:
    """Slate with one accent."""
    return gr.themes.Base(primary_hue="indigo", neutral_hue="slate", radius_size="lg", font=FONT, font_mono=MONO).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_border_width="0px",
        block_shadow="none",
        block_info_text_color="*neutral_500",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        checkbox_border_color_dark="*neutral_400",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_text_color="white",
    )


HEAD = """<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
#lightbox { width: 100dvw; height: 100dvh; max-width: none; max-height: none; margin: 0; padding: 0; border: 0; background: rgb(0 0 0 / 88%); cursor: zoom-out; }
#lightbox img { width: 100%; height: 100%; object-fit: contain; }
#lightbox button { position: absolute; top: 12px; right: 12px; width: 44px; height: 44px; border-radius: 999px; background: rgb(0 0 0 / 60%); color: white; font-size: 24px; line-height: 1; }
@media (hover: none) { #box .thumbnail-item { overflow: visible !important; margin: 8px 8px 0 0; } #box .thumbnail-item .delete-button { opacity: 1 !important; inset: -10px -10px auto auto !important; width: 24px !important; height: 24px !important; padding: 5px !important; border-radius: 999px !important; background: var(--body-text-color) !important; color: var(--body-background-fill) !important; } }
.dark #chat .about .act.on, .dark #chat .about .act:hover, .dark #chat .about a:hover { color: var(--primary-300) !important; }
@media (min-width: 1240px) { .gradio-container:has(#side.open) { margin-left: max(310px, calc((100vw - 900px) / 2)) !important; } }
body:has(#box .thumbnail-item) #chat { height: calc(100dvh - 312px) !important; }
@media (max-width: 640px) { .gradio-container { padding: 0 4px !important; } .gradio-container > .main { padding-left: 6px; padding-right: 6px; } body:has(#box .thumbnail-item) #chat { height: calc(100dvh - 402px) !important; } body:has(#status p) #chat { height: calc(100dvh - 405px) !important; } }
</style>"""
"""Gradio puts its own prefix before every selector of `css`, which would turn one on the container itself, or around it, into one that fits nothing."""

CSS = """
.gradio-container { width: 100%; max-width: 900px !important; margin: 0 auto !important; padding: 0 12px !important; }
footer { display: none !important; }
#title { padding: 10px 2px 0; }
#title h1 { font-size: 1.15rem; font-weight: 650; margin: 0; }
@media (max-width: 960px) { #title h1 { padding-left: 18px; } }
#title p { margin: 2px 0 0; font-size: .86rem; opacity: .75; }
#chat { border: 0 !important; background: transparent !important; height: calc(100dvh - 262px) !important; min-height: 260px; }
#chat .message-row img, #chat .message img { width: min(256px, 70vw); height: auto; max-height: 60vh; object-fit: contain; border-radius: 12px; }
#chat .message video { width: min(256px, 60vw); height: auto; max-height: 60vh; border-radius: 12px; }
#chat .wrap:has(> .mirror-wrap) { width: fit-content; }
#chat .controls .icon { flex: 0 0 22px; }
#chat .minimal-audio-player { width: 100%; max-width: 256px; height: 56px; align-items: center; overflow: hidden; }
#chat .message { overflow-wrap: anywhere; }
#chat .image-container button, #chat .image-frame { width: fit-content; }
#chat .image-container > button { cursor: zoom-in; border-radius: 12px; }
#chat .image-container .icon-button-wrapper { display: none; }
#chat .message-buttons:not(:has(button[aria-label^="Cop"])), #chat .message-buttons button:not([aria-label^="Cop"]) { display: none; }
#chat .about { display: flex; flex-wrap: wrap; gap: 2px 14px; align-items: baseline; font-size: .8rem; opacity: .8; white-space: normal; }
#chat .about summary { cursor: pointer; }
#chat .about a, #chat .about .act { color: inherit; text-decoration: underline; text-underline-offset: 2px; cursor: pointer; }
#chat .about a:hover, #chat .about .act:hover, #chat .about .act.on { color: var(--primary-600); }
#chat .about .act.on { font-weight: 650; }
#chat .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
#chat .avatar-container img { width: auto; }
#chat .examples { grid-template-columns: 1fr 1fr; max-width: 620px; }
#chat .bubble-wrap { background: transparent; }
#chat .options { display: flex; flex-wrap: wrap; justify-content: flex-start; gap: 6px; margin: 0; padding: 4px 0 12px; max-width: 100%; }
#chat .options .option { width: auto; padding: 3px 12px; border-style: solid; border-radius: 999px; font-size: .86rem; }
#chat .options .option p { margin: 0; }
#chat > .wrapper > .icon-button-wrapper { display: none; }
#chat [class*="scroll-down-button-container"] { z-index: 30; }
#compose { position: relative; flex-wrap: nowrap; align-items: flex-end; gap: 0; border-radius: 18px; background: var(--block-background-fill); }
#compose .form, #box { min-width: 0; border: 0; border-radius: 18px; background: transparent; box-shadow: none; }
#camera { position: static; flex: 0 0 40px; width: 40px; height: 40px; min-width: 0; margin: 0 0 14px 8px; padding: 0; overflow: visible !important; }
#camera .html-container { padding: 0; }
#camera .open { width: 40px; height: 40px; border-radius: 12px; }
#camera .open::before { content: ""; display: block; width: 20px; height: 20px; margin: auto; background: currentColor; mask: url("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='black' stroke-width='1.5' stroke-linejoin='round'%3E%3Cpath d='M3 8h4l2-3h6l2 3h4v11H3z'/%3E%3Ccircle cx='12' cy='13' r='3.6'/%3E%3C/svg%3E") center / contain no-repeat; }
#camera .open:hover, #camera .open[aria-expanded="true"] { background: var(--background-fill-secondary); }
#camera .panel { position: absolute; z-index: 40; bottom: calc(100% + 8px); left: 0; width: min(380px, 100%); padding: 10px; border-radius: 18px; background: var(--block-background-fill); box-shadow: 0 4px 24px rgb(0 0 0 / 25%); font-size: .9rem; }
#camera .panel video { width: 100%; border-radius: 12px; margin-bottom: 8px; }
#camera .panel p:not(:empty) { margin: 4px 4px 10px; }
#camera .panel button { padding: 6px 14px; border-radius: 10px; background: var(--button-secondary-background-fill); }
#camera .panel .take { background: var(--button-primary-background-fill); color: var(--button-primary-text-color); margin-right: 6px; }
#status { flex: 1 1 0 !important; min-width: 0 !important; min-height: 1.3em; font-size: .84rem; opacity: .8; padding: 0 4px; }
#status p { margin: 0; }
#wanted { flex: 0 0 auto !important; width: auto !important; min-width: 0 !important; padding: 0; }
#wanted .wrap { gap: 6px; flex-wrap: nowrap; }
#wanted label { padding: 2px 10px; border-radius: 999px; font-size: .8rem; cursor: pointer; }
#wanted input { width: 13px; height: 13px; }
#wanted label:has(:focus-visible), #compose:has(textarea:focus-visible) { outline: 2px solid var(--primary-500); outline-offset: 1px; }
#actions { gap: 8px; justify-content: flex-end; align-items: center; min-height: 0; flex-wrap: nowrap; }
#actions button { flex: 0 0 auto; min-width: 0; }
#earlier .wrap { display: flex; flex-direction: column; gap: 2px; flex-wrap: nowrap; }
#earlier label { border: 0; background: transparent; box-shadow: none; width: 100%; padding: 8px 10px; border-radius: 10px; cursor: pointer; }
#earlier label:hover, #earlier label.selected { background: var(--background-fill-secondary); }
#earlier label.selected { font-weight: 600; }
#earlier input { position: absolute; opacity: 0; }
#earlier label:focus-within { outline: 2px solid var(--primary-500); }
#earlier label span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; margin: 0; color: inherit; }
#who { padding: 0; margin-left: -8px; font-size: .9rem; }
#who a { color: inherit; overflow-wrap: anywhere; }
@media (max-width: 640px) { #actions:has(#status p) { flex-wrap: wrap; } #status:has(p) { flex: 1 1 100% !important; order: -1; } #status p { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; } #actions:has(#keep) #retry { display: none; } #wanted .wrap { gap: 3px; } #wanted label { padding: 2px 7px; } #chat { height: calc(100dvh - 352px) !important; } .gradio-container { padding: 0 6px !important; } }
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }
"""
