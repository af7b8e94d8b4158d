"""The languages of the page. A text is named by its English words, so that what is not translated is still read.

Texts that do not change are translated in the browser, by Gradio, from the browser's language; those that are rendered here, from the language
that the browser sends along. Sentences that refuse something and what the model says are English.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

Say = Callable[[str], str]
"""English words -> the same in the language of who looks."""

GERMAN = {
    "New chat": "Neuer Chat",
    "Search": "Suchen",
    "Chat deleted. Undo": "Chat gelöscht. Rückgängig",
    "This chat": "Dieser Chat",
    "Title": "Titel",
    "Anybody who has the link can read it": "Alle mit dem Link können ihn lesen",
    "Link": "Link",
    "Pin": "Anheften",
    "Unpin": "Lösen",
    "Delete": "Löschen",
    "Save as": "Speichern als",
    "web page": "Webseite",
    "or": "oder",
    "My data": "Meine Daten",
    "Bring a saved chat back": "Gespeicherten Chat zurückholen",
    "Removes all your chats with their media from this server, for good, and your account if you have one.": "Entfernt alle deine Chats mit ihren Medien endgültig von diesem Server, und dein Konto, falls du eines hast.",
    "Delete everything": "Alles löschen",
    "Yes, delete": "Ja, löschen",
    "No": "Nein",
    "Sign in": "Anmelden",
    "Settings": "Einstellungen",
    "Model": "Modell",
    "Seed": "Seed",
    "-1 draws a new one.": "-1 zieht einen neuen.",
    "Temperature": "Temperatur",
    "0 takes the likeliest words.": "0 nimmt die wahrscheinlichsten Wörter.",
    "Denoising steps": "Entrauschungsschritte",
    "0 takes the model's own.": "0 nimmt den Wert des Modells.",
    "Guidance scale": "Guidance",
    "Reply with": "Antworten mit",
    "You are talking to": "Du sprichst mit",
    "Ask for a picture, or send one and ask about it.": "Bitte um ein Bild, oder schick eines und frag danach.",
    "Write a message…": "Schreib eine Nachricht…",
    "Cancel": "Abbrechen",
    "Retry": "Nochmal",
    "picture": "Bild",
    "clip": "Clip",
    "sound": "Klang",
    "Picture": "Bild",
    "Clip": "Clip",
    "Sound": "Klang",
    "Drawing": "Zeichnet",
    "Filming": "Filmt",
    "Composing": "Vertont",
    "step {} of {}": "Schritt {} von {}",
    "about {} left": "noch etwa {}",
    "AI-generated {}, seed {}": "KI-erzeugt: {}, Seed {}",
    "Download": "Herunterladen",
    "Use": "Verwenden",
    "Edit": "Bearbeiten",
    "Another seed": "Anderer Seed",
    "Good": "Gut",
    "Bad": "Schlecht",
    "not what I asked for": "nicht das Gewünschte",
    "looks or sounds wrong": "sieht oder klingt falsch",
    "wrong kind of answer": "falsche Art von Antwort",
    "harmful": "schädlich",
    "(chosen)": "(gewählt)",
    "this {} in the next message": "({} in der nächsten Nachricht)",
    "for this {}: {}": "für: {}, {}",
    "this {}": "({})",
    "this reply": "(diese Antwort)",
    "version before": "vorige Fassung",
    "next version": "nächste Fassung",
    "{} steps": "{} Schritte",
    "{} frames": "{} Bilder",
    "{} seconds": "{} Sekunden",
    "Frames of a clip": "Bilder eines Clips",
    "Seconds of a sound": "Sekunden eines Klangs",
    "guidance {}": "Guidance {}",
    "begun from an earlier medium, strength {}": "aus einem früheren Medium, Stärke {}",
    "{}, seed {}": "{}, Seed {}",
    "{} tokens read, {} written": "{} Tokens gelesen, {} geschrieben",
    "Stopped.": "Angehalten.",
    "It could not be made again and stays as it was.": "Das ging nicht nochmal; es bleibt, wie es war.",
    "The model is loading…": "Das Modell wird geladen…",
    "Waiting: {} before you.": "Warteschlange: {} vor dir.",
    "Goes with your next message: {}": "Kommt mit deiner nächsten Nachricht: {}",
    "You are changing an earlier message. What came after it is kept as another version.": "Du änderst eine frühere Nachricht. Was danach kam, bleibt als andere Fassung erhalten.",
    "Its media stay with it: {}.": "Ihre Medien bleiben dabei: {}.",
}

CHINESE = {
    "New chat": "新对话",
    "Search": "搜索",
    "Chat deleted. Undo": "对话已删除。撤销",
    "This chat": "当前对话",
    "Title": "标题",
    "Anybody who has the link can read it": "持有链接的任何人都可以阅读",
    "Link": "链接",
    "Pin": "置顶",
    "Unpin": "取消置顶",
    "Delete": "删除",
    "Save as": "保存为",
    "web page": "网页",
    "or": "或",
    "My data": "我的数据",
    "Bring a saved chat back": "恢复已保存的对话",
    "Removes all your chats with their media from this server, for good, and your account if you have one.": "从此服务器永久删除您的所有对话及其媒体；如果您有账户，账户也会一并删除。",
    "Delete everything": "全部删除",
    "Yes, delete": "确定删除",
    "No": "取消",
    "Sign in": "登录",
    "Settings": "设置",
    "Model": "模型",
    "Seed": "随机种子",
    "-1 draws a new one.": "-1 表示每次随机。",
    "Temperature": "温度",
    "0 takes the likeliest words.": "0 表示总选最可能的词。",
    "Denoising steps": "去噪步数",
    "0 takes the model's own.": "0 表示使用模型的默认值。",
    "Guidance scale": "引导强度",
    "Reply with": "回复形式",
    "You are talking to": "正在对话：",
    "Ask for a picture, or send one and ask about it.": "请它画一张图，或者发一张图来提问。",
    "Write a message…": "输入消息…",
    "Cancel": "取消",
    "Retry": "重试",
    "picture": "图片",
    "clip": "短片",
    "sound": "声音",
    "Picture": "图片",
    "Clip": "短片",
    "Sound": "声音",
    "Drawing": "正在绘制",
    "Filming": "正在拍摄",
    "Composing": "正在合成",
    "step {} of {}": "第 {} 步，共 {} 步",
    "about {} left": "约剩 {}",
    "AI-generated {}, seed {}": "AI 生成的{}，种子 {}",
    "Download": "下载",
    "Use": "引用",
    "Edit": "编辑",
    "Another seed": "换个种子",
    "Good": "好",
    "Bad": "差",
    "not what I asked for": "不是我要的",
    "looks or sounds wrong": "看起来或听起来不对",
    "wrong kind of answer": "回答形式不对",
    "harmful": "有害",
    "(chosen)": "（已选）",
    "this {} in the next message": "在下一条消息中使用这个{}",
    "for this {}: {}": "用于这个{}：{}",
    "this {}": "这个{}",
    "this reply": "这条回复",
    "version before": "上一版本",
    "next version": "下一版本",
    "{} steps": "{} 步",
    "{} frames": "{} 帧",
    "{} seconds": "{} 秒",
    "Frames of a clip": "短片帧数",
    "Seconds of a sound": "声音秒数",
    "guidance {}": "引导强度 {}",
    "begun from an earlier medium, strength {}": "基于先前的媒体，强度 {}",
    "{}, seed {}": "{}，种子 {}",
    "{} tokens read, {} written": "读取 {} 个词元，写出 {} 个",
    "Stopped.": "已停止。",
    "It could not be made again and stays as it was.": "未能重新生成，保持原样。",
    "The model is loading…": "模型正在加载…",
    "Waiting: {} before you.": "排队中：前面还有 {} 个。",
    "Goes with your next message: {}": "将随下一条消息发送：{}",
    "You are changing an earlier message. What came after it is kept as another version.": "您正在修改之前的消息。其后的内容会保留为另一个版本。",
    "Its media stay with it: {}.": "其中的媒体会保留：{}。",
}

TRANSLATIONS: Mapping[str, dict[str, str]] = {"de": GERMAN, "zh-CN": CHINESE}
TRANSLATED = gr.I18n(en={text: text for text in GERMAN}, **TRANSLATIONS)
"""What Gradio's page is launched with."""
MOST_LANGUAGES = 20
"""Languages of a request that are looked at."""


def shown(text: str) -> Any:
    """A text that Gradio translates in the browser."""
    return TRANSLATED(text)


def say(accepted: str) -> Say:
    """Translates into the first known of the languages that a browser accepts: the header `Accept-Language`, which lists the best one first."""
    for language in accepted.split(",")[:MOST_LANGUAGES]:
        name = re.split("[-;]", language.strip().lower())[0]
        if name == "en":
            break
        for known, texts in TRANSLATIONS.items():
            if known.split("-")[0] == name:
                return lambda text, texts=texts: texts.get(text, text)  # type: ignore[misc]
    return str
