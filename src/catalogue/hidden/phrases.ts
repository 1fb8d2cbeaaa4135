/**
 * What hidden instructions say, as patterns over folded text: lower case, Latin, single spaces. What a reader would get
 * wrong: an honest description is full of commands too ("IMPORTANT: call resolve-id first"). So a pattern is about whom is
 * talked over (earlier instructions, the user, secrets of the machine), and hardly ever about a tone.
 */

export type PhraseKind = 'instruction' | 'concealment' | 'secrets' | 'exfiltration' | 'markup';

export interface Phrase {
  readonly kind: PhraseKind;
  readonly pattern: RegExp;
  /** What in the same sentence makes it an honest one. */
  readonly unless?: RegExp;
}

/** A little of one sentence. */
const some = (most: number) => `(?:[^.!?;]|[.!?;](?=[^ ])){0,${most}}?`;
const words = (most: number) => `(?:[\\w'’-]+[ ,]{1,2}){0,${most}}`;
const phrase = (kind: PhraseKind, pattern: string, unless?: RegExp): Phrase => ({
  kind,
  pattern: new RegExp(pattern, 'g'),
  ...(unless === undefined ? {} : { unless }),
});

const never = "(?:do not|don'?t|never|must not|should not|shall not|cannot|avoid|refrain from|no need to|without)";
const user =
  '(?:(?:the |your |a |any )?(?:end[- ]?)?(?:user|human|customer|operator|person|developer)s?|anyone|anybody|them)';
const sendVerb =
  '(?:send|post|forward|upload|submit|transmit|exfiltrate|leak|email|report|copy|append|attach|include|pass|put|paste|provide|supply|add|insert|embed|encode|write)';
const readVerb =
  '(?:read|open|cat|access|load|print|dump|extract|grab|collect|find|locate|look up|retrieve|steal|scan)';
const secretPlace =
  '(?:~?/?\\.ssh\\b|\\bid_(?:rsa|ed25519|ecdsa|dsa)\\b|/etc/(?:passwd|shadow)|\\.aws/credentials|\\.cursor/|\\bmcp\\.json|claude_desktop_config|\\.netrc\\b|\\.npmrc\\b|\\.pypirc\\b|\\.git-credentials|\\.kube/config|\\.docker/config|\\.bash_history|\\.zsh_history|\\.gnupg|wallet\\.dat|(?:^|[\\s\'"`/])\\.env\\b|(?:ssh|private|gpg|pgp) keys?\\b)';
const ownSecret =
  "(?:your|the user'?s?|user'?s?|their|all|any|every|local|stored|saved|available) (?:[\\w-]+ ){0,2}?(?:passwords?|credentials?|api[- _]?keys?|secrets?|access tokens?|tokens|cookies|environment variables|env vars?|private files|config(?:uration)? files?|\\.env)";
const talk =
  "(?:(?:the |your |this )?(?:full|entire|whole|complete|verbatim|exact) (?:[\\w-]+ ){0,2}?(?:conversation|chat|dialog(?:ue)?|context|prompt|transcript|history)|(?:the|your) system (?:prompt|message|instructions)|(?:your|the model'?s) (?:chain of thought|hidden reasoning|internal instructions|initial instructions)|all (?:the )?(?:previous|prior|earlier) (?:messages|tool (?:calls|results|outputs))|(?:conversation|chat) history)";
const example =
  /\be\.?g\.?\b|\bfor example\b|\bexamples?\b|\bsuch as\b|\blike ['"`]|@example\.|\/\/(?:[\w-]+\.)*example\./;

export const phrases: readonly Phrase[] = [
  // Over what was said before.
  phrase(
    'instruction',
    `\\b(?:ignore|disregard|forget|discard|skip|stop following|do not follow|don'?t follow|pay no attention to|override|bypass|supersede|neglect)s? ${words(4)}(?:previous|prior|earlier|above|preceding|foregoing|existing|original|initial|system|safety|other|former|your|all|any|every)\\b ${words(3)}(?:instructions?|prompts?|directives?|guidelines?|guardrails?|directions|safety (?:rules|measures|checks)|commands given|what you were told)\\b`,
    /\b(?:custom|config\w*|ci|build|npm|cli|shell prompts?|interactive|confirmation) (?:prompts?|instructions?)\b|\bprompts? (?:for|templates?)\b/,
  ),
  phrase(
    'instruction',
    `\\b(?:ignore|disregard|forget|override|bypass) ${words(2)}(?:(?:previous|prior|your|system|safety|above) (?:rules|policies|restrictions|constraints|training|context|messages)|everything (?:above|before|you (?:know|were told))|what (?:the user|you were) (?:said|told|asked))`,
  ),
  phrase(
    'instruction',
    `\\b(?:new|updated|real|actual|true|hidden|secret) (?:system )?(?:instructions|directives?|objective|orders)(?: (?:are|is|follow)\\b| ?:)`,
  ),
  phrase('instruction', `\\bfrom now on,? (?:you|always|never|do|all|every|act|respond|ignore|call|use|send)\\b`),
  phrase(
    'instruction',
    `\\byou are (?:now|no longer) (?!able|ready|connected|logged|authenticated|done|in the (?:[\\w-]+ )?(?:directory|folder|channel|room))`,
  ),
  phrase(
    'instruction',
    `\\b(?:enter|enable|activate|switch to) (?:developer|dan|god|admin|debug|jailbreak|unrestricted) mode for (?:yourself|the (?:assistant|model))|\\bjailbreak\\b|\\bdo anything now\\b`,
  ),
  phrase(
    'instruction',
    `\\b(?:this is|note from|message from) (?:a |an |the )?(?:system|developers?|admin(?:istrator)?|security team|anthropic|openai)(?: team)? (?:message|notice|override|instruction|command|directive|:)`,
  ),
  phrase(
    'instruction',
    `\\bthe user has (?:already )?(?:approved|consented|authori[sz]ed|agreed|given (?:you )?(?:permission|consent))\\b`,
    /\bif\b|\bwhen\b|\bonce\b|\bwhether\b|\bunless\b|\buntil\b|\bonly\b|\bafter\b|\btrue\b/,
  ),
  phrase(
    'instruction',
    `\\b(?:do not|don'?t|never) (?:ask|wait|prompt|check) ${words(4)}(?:for )?(?:permission|confirmation|approval|consent)\\b`,
  ),
  phrase(
    'instruction',
    `\\b(?:when|whenever|if) (?:this|the present) tool is (?:available|present|installed|loaded)${some(60)}\\b(?:must|always|should|never|instead)\\b`,
  ),
  phrase(
    'instruction',
    `\\b(?:before|after|when|whenever|prior to) (?:using|calling|invoking|running|executing) (?:any|all|every|each|other|another)\\b${some(20)}\\btools?\\b${some(60)}\\b(?:must|always|need to|have to|shall)\\b${some(60)}\\b(?:read|send|pass|include|forward|copy|upload)\\b`,
  ),
  phrase(
    'instruction',
    `\\bignor(?:iere?|ieren sie|a|ez|e) (?:alle |todas? |toutes? |tutte )?(?:die |las |les |le )?(?:vorherigen|bisherigen|vorigen|anteriores|instrucciones|instructions|istruzioni)(?: (?:anweisungen|instruktionen|instrucciones|anteriores|pr[ée]c[ée]dentes|precedenti|previas))?`,
  ),
  phrase(
    'instruction',
    `\\bignor(?:e|ar|em) (?:todas )?(?:as )?(?:instrucoes|ordens|orientacoes) (?:anteriores|previas|acima)`,
  ),
  // Cyrillic and kana as they come out of folding.
  phrase(
    'instruction',
    '(?:иrhopиpyи|зaбyдь|he cлeдyи)(?:te)?[^.]{0,12} (?:npeдыдyщ|npeжhи|bышe)[^.]{0,8} (?:иhctpykци|ykaзahи|npabил)',
  ),
  phrase(
    'concealment',
    'he (?:robopи|cooбщaи|paccкaзыbaи|cкaзыbaи|robopиte|cooбщaиte)(?:te)? (?:noльзobateлю|чeлobeky)',
  ),
  phrase('instruction', '(?:以前|前|これまて|上記)の(?:すへての)?(?:指示|命令|フロンフト)を[^。]{0,8}(?:無視|忘れ)'),
  phrase(
    'instruction',
    '(?:忽略|无视|忘记)[^。.]{0,12}(?:之前|以上|所有|先前|前面)[^。.]{0,12}(?:指令|指示|说明|提示)',
  ),
  phrase(
    'markup',
    '<\\|(?:im_start|im_end|system|user|assistant|endoftext)\\|?>?|\\[/?inst\\]|<</?sys>>|#{2,4} ?(?:system|instructions?|assistant|response) ?: ?(?:you|ignore|the user)\\b',
  ),
  phrase(
    'markup',
    `\\b(?:system|assistant|developer) ?: ?(?:you (?:are|must|will|should)|ignore|from now|the user|new instructions)\\b`,
  ),
  // Behind the back of people.
  phrase(
    'concealment',
    `\\b${never} ${words(2)}(?:tell|telling|mention|mentioning)\\b ${words(6)}(?:to )?${user}\\b`,
    /\bunless\b|\buntil\b/,
  ),
  phrase(
    'concealment',
    `\\b(?:do not|don'?t|never|avoid) (?:ever )?(?:mention|mentioning|disclose|reveal|discuss|talk about|acknowledge) (?:this|these|it\\b|that you|the fact|what you|your (?:actions|instructions)|having)`,
    /\bunless\b|\bpassword|\bkey\b|\btoken\b/,
  ),
  phrase(
    'concealment',
    `\\b${never} (?:inform|informing|notify|notifying|alert|alerting|warn|warning|letting|let|show|showing|explain|explaining|reveal|revealing|disclose|disclosing|ask|asking|consult|consulting)\\b ${words(5)}${user}\\b(?: know)?(?: (?:of|about|that|to|what|this|first|why|know)\\b|[.,;!]|$)`,
    /\bif (?:true|false|set|enabled|omitted|not|the)|\bwhether\b|\bwhen (?:true|false|set|enabled)|\bset (?:to|this)|\bdefault|\bby email\b|\bemails?\b|\bnotifications?\b|\braw\b|\binternal\b|\bids?\b|\buuid|\bjson\b|\bkeys?\b|\btokens?\b|\bsecrets?\b|\bpasswords?\b|\bto (?:provide|supply|enter|choose|confirm|specify)|\bfor (?:the|an?|their)\b/,
  ),
  phrase(
    'concealment',
    `\\bwithout (?:the |any )?(?:user|human|customer|operator)'?s? (?:knowledge|knowing|noticing|awareness|consent|being (?:aware|told|informed|notified))`,
  ),
  phrase(
    'concealment',
    `\\b(?:the )?(?:user|human|customer|operator)s? (?:must|should|need|does|do|can|may|will)(?: not|n'?t|not) (?:need to )?(?:know|notice|find out|see this|be (?:told|informed|aware|shown this|notified))\\b`,
    /\bknow (?:the|their|its|which|how|sql|where)\b/,
  ),
  phrase(
    'concealment',
    `\\bkeep (?:this|these|it|that) (?:[\\w-]+ ){0,3}?(?:secret|hidden|confidential|between us|private from)\\b`,
  ),
  phrase(
    'concealment',
    `\\b(?:silently|secretly|covertly|quietly|discreetly|stealthily) (?:also )?${sendVerb}\\b`,
    /\bsilently (?:add|write|append|copy)s?\b/,
  ),
  // What lies on the machine, and in the conversation.
  phrase('secrets', `\\b${readVerb}\\b${some(80)}${secretPlace}`, example),
  phrase(
    'secrets',
    `\\b${sendVerb}\\b${some(80)}${secretPlace}`,
    /\bpublic\b|\be\.?g\.?\b|\bfor example\b|\badd(?:s|ed)? (?:an? )?(?:new )?(?:ssh|gpg)\b/,
  ),
  phrase(
    'secrets',
    `\\b(?:${readVerb}|${sendVerb}) ${words(4)}${ownSecret}\\b${some(80)}\\b(?:in|as|to|into|with|via|through|using) (?:the |this |an? )?(?:['"\`]?\\w+['"\`]? (?:parameter|argument|field|param|arg|input|header|property|url|endpoint|server|address)|['"\`]?\\w*(?:note|context|sidenote|feedback|metadata)\\w*['"\`]?|https?:|this tool|me\\b|us\\b)`,
  ),
  phrase(
    'secrets',
    `\\b(?:send|pass|include|append|copy|put|paste|insert|forward|repeat|reveal|print|output|leak|embed|write|provide|submit|upload) ${words(4)}${talk}`,
    /\bif (?:true|false|set)|\bwhether\b|\bset to\b|\bboolean\b|\bdefault\b|\bfor the (?:new|created) (?:agent|assistant|model)|\bfrom slack\b|\bchannel\b/,
  ),
  phrase(
    'exfiltration',
    `\\b(?:send|forward|bcc|cc|copy|redirect|e?mail|deliver|route|transfer)s? ${words(10)}(?:to|recipient|address|is|:) ?(?:address |recipient )?['"\`(<]?[\\w.+-]{1,64}@[\\w-]{1,63}\\.[\\w.-]{2,63}`,
    example,
  ),
  phrase('exfiltration', `\\b(?:bcc|cc|blind copy) ['"\`(<]?[\\w.+-]{1,64}@[\\w-]{1,63}\\.[\\w.-]{2,63}`, example),
  phrase(
    'exfiltration',
    `\\b(?:must|always|should) (?:be )?(?:sent|forwarded|copied|bcc'?d|cc'?d|redirected|transferred) ${words(6)}['"\`(<]?[\\w.+-]{1,64}@[\\w-]{1,63}\\.[\\w.-]{2,63}`,
  ),
  phrase(
    'exfiltration',
    `\\b(?:webhook\\.site|requestbin\\.\\w+|\\w+\\.requestcatcher\\.com|ngrok(?:-free)?\\.(?:io|app|dev)|burpcollaborator\\.net|oast\\.(?:fun|pro|live|site|online|me)|pipedream\\.net|interact\\.sh|interactsh\\.com|hookb\\.in|beeceptor\\.com|canarytokens\\.\\w+)\\b`,
  ),
];
