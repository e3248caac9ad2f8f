"""Chat templates: attacks, each of which creates the file `ran` where it is rendered without a sandbox, or leaks
what a sandbox would keep (`LEAKS`), and ordinary ones in the manner of the model families in use.

Nothing in the default tests renders them; `tests/real` renders the attacks in a child process.
"""

from __future__ import annotations

# A command that every shell has, and that leaves the file `ran` behind.
RUN = "echo > ran"

# What the variables of a conversation are while an attack is rendered: the special tokens come out of
# tokenizer_config.json, so that whoever wrote the template wrote these, too.
VARIABLES = {
    "messages": [{"role": "user", "content": "Hello"}],
    "add_generation_prompt": True,
    "bos_token": "__globals__",
    "eos_token": "__init__",
    "pad_token": "__builtins__",
    "tools": None,
}

ATTACKS = {
    # Written out
    "lipsum": "{{ lipsum.__globals__['os'].popen('RUN').read() }}",
    "lipsum-dots": "{{ lipsum.__globals__.os.popen('RUN').read() }}",
    "cycler": "{{ cycler.__init__.__globals__.os.popen('RUN').read() }}",
    "joiner": "{{ joiner.__init__.__globals__.os.popen('RUN').read() }}",
    "namespace": "{{ namespace.__init__.__globals__.os.popen('RUN').read() }}",
    "self-context": "{{ self._TemplateReference__context.cycler.__init__.__globals__.os.popen('RUN').read() }}",
    "self-init": "{{ self.__init__.__globals__.__builtins__.__import__('os').popen('RUN').read() }}",
    "undefined": "{{ nothing.__init__.__globals__.__builtins__.__import__('os').popen('RUN').read() }}",
    "range-call": "{% for c in ''.__class__.__mro__[1].__subclasses__() %}{% if c.__name__ == 'catch_warnings' %}"
    "{{ c.__init__.__globals__['__builtins__']['__import__']('os').popen('RUN').read() }}{% endif %}{% endfor %}",
    "subclasses-base": "{% for c in [].__class__.__base__.__subclasses__() %}{% if c.__name__ == '_wrap_close' %}"
    "{{ c.__init__.__globals__.system('RUN') }}{% endif %}{% endfor %}",
    "subclasses-wrap": "{% for c in ().__class__.__bases__[0].__subclasses__() %}{% if c.__name__ == '_wrap_close' %}"
    "{{ c.__init__.__globals__['popen']('RUN').read() }}{% endif %}{% endfor %}",
    "macro-globals": "{% macro m() %}{% endmacro %}{{ m.__init__.__globals__.__builtins__.__import__('os').popen('RUN').read() }}",
    "loop-init": "{% for i in [1] %}{{ loop.__init__.__globals__.__builtins__.__import__('os').popen('RUN').read() }}{% endfor %}",
    "do": "{% do lipsum.__globals__.os.popen('RUN').read() %}",
    "set": "{% set x = lipsum.__globals__ %}{% set y = x.os %}{{ y.popen('RUN').read() }}",
    "if": "{% if lipsum.__globals__.os.popen('RUN').read() %}{% endif %}",
    "for": "{% for x in lipsum.__globals__.os.popen('RUN') %}{% endfor %}",
    "with": "{% with g = lipsum.__globals__ %}{{ g.os.popen('RUN').read() }}{% endwith %}",
    "call-block": "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{{ lipsum.__globals__.os.popen('RUN').read() }}{% endcall %}",
    "filter-block": "{% filter upper %}{{ lipsum.__globals__.os.popen('RUN').read() }}{% endfilter %}",
    "block": "{% block b %}{{ lipsum.__globals__.os.popen('RUN').read() }}{% endblock %}",
    "macro-default": "{% macro m(x=lipsum.__globals__.os.popen('RUN').read()) %}{{ x }}{% endmacro %}{{ m() }}",
    "test-argument": "{{ 1 is eq(lipsum.__globals__.os.popen('RUN').read()) }}",
    "filter-argument": "{{ 'a'|default(lipsum.__globals__.os.popen('RUN').read()) }}",
    "dictionary": "{{ {'a': lipsum.__globals__.os.popen('RUN').read()} }}",
    "condition": "{{ 'a' if lipsum.__globals__.os.popen('RUN').read() else 'b' }}",
    "slice": "{{ 'abc'[:lipsum.__globals__.os.system('RUN')] }}",
    "hidden-in-chatml": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{{ lipsum.__globals__.os.system('RUN') or '' }}{% endif %}",
    "whitespace": "{{- lipsum\n   .__globals__ [ 'os' ]\n   .popen ( 'RUN' ) . read() -}}",
    "generation": "{% generation %}{{ lipsum.__globals__.os.popen('RUN').read() }}{% endgeneration %}",
    # As items
    "items": "{{ lipsum['__globals__']['os']['popen']('RUN')['read']() }}",
    "items-hex": r"{{ lipsum['\x5f\x5fglobals\x5f\x5f']['os']['popen']('RUN')['read']() }}",
    "items-hex-all": r"{{ lipsum['\x5f\x5f\x67\x6c\x6f\x62\x61\x6c\x73\x5f\x5f']['os']['popen']('RUN')['read']() }}",
    "items-unicode": r"{{ lipsum['\u005f\u005fglobals\u005f\u005f']['os'].popen('RUN').read() }}",
    "items-octal": r"{{ lipsum['\137\137globals\137\137']['os'].popen('RUN').read() }}",
    "items-named": r"{{ lipsum['\N{LOW LINE}_globals_\N{LOW LINE}']['os'].popen('RUN').read() }}",
    "items-adjacent": "{{ lipsum['__glo' 'bals__']['os'].popen('RUN').read() }}",
    "items-plus": "{{ lipsum['__glo' + 'bals__']['os'].popen('RUN').read() }}",
    "items-tilde": "{{ lipsum['__glo' ~ 'bals__']['os'].popen('RUN').read() }}",
    "items-many-tildes": "{{ lipsum['_'~'_'~'g'~'l'~'o'~'b'~'a'~'l'~'s'~'_'~'_']['os'].popen('RUN').read() }}",
    "items-join": "{{ lipsum[['__glo', 'bals__']|join]['os'].popen('RUN').read() }}",
    "items-join-method": "{{ lipsum[''.join(['__glo', 'bals__'])]['os'].popen('RUN').read() }}",
    "items-percent": "{{ lipsum['%s%s' % ('__glo', 'bals__')]['os'].popen('RUN').read() }}",
    "items-percent-c": "{{ lipsum['%c%cglobals%c%c' % (95, 95, 95, 95)]['os'].popen('RUN').read() }}",
    "items-format": "{{ lipsum['{0}{0}globals{0}{0}'.format('_')]['os'].popen('RUN').read() }}",
    "items-format-filter": "{{ lipsum['%s%sglobals%s%s'|format('_', '_', '_', '_')]['os'].popen('RUN').read() }}",
    "items-reversed": "{{ lipsum['__slabolg__'|reverse]['os'].popen('RUN').read() }}",
    "items-slice": "{{ lipsum['__slabolg__'[::-1]]['os'].popen('RUN').read() }}",
    "items-upper": "{{ lipsum['__GLOBALS__'|lower]['os'].popen('RUN').read() }}",
    "items-lower-method": "{{ lipsum['__GLOBALS__'.lower()]['os'].popen('RUN').read() }}",
    "items-replace": "{{ lipsum['@@globals@@'|replace('@', '_')]['os'].popen('RUN').read() }}",
    "items-replace-method": "{{ lipsum['@@globals@@'.replace('@', '_')]['os'].popen('RUN').read() }}",
    "items-strip": "{{ lipsum['#__globals__#'.strip('#')]['os'].popen('RUN').read() }}",
    "items-trim": "{{ lipsum['  __globals__  '|trim]['os'].popen('RUN').read() }}",
    "items-times": "{{ lipsum['_'*2 ~ 'globals' ~ '_'*2]['os'].popen('RUN').read() }}",
    "items-dict-keys": "{{ lipsum[dict(__glo=1, bals__=2)|join]['os'].popen('RUN').read() }}",
    "items-dict-key": "{{ lipsum[dict(__globals__=1)|first]['os'].popen('RUN').read() }}",
    "items-bytes": "{{ lipsum['5f5f676c6f62616c735f5f'|string|lower and ''.join(['__', 'globals', '__'])]['os'].popen('RUN').read() }}",
    "items-token": "{{ lipsum[bos_token]['os'].popen('RUN').read() }}",
    "items-tokens": "{% macro m() %}{% endmacro %}{{ m[eos_token][bos_token][pad_token]['__imp' ~ 'ort__']('os').popen('RUN').read() }}",
    "items-macro": "{% macro u() %}__globals__{% endmacro %}{{ lipsum[u()|string]['os'].popen('RUN').read() }}",
    "items-block": "{% set u %}__globals__{% endset %}{{ lipsum[u|string]['os'].popen('RUN').read() }}",
    "items-from-repr": "{% set u = (cycler|string)[12] %}{% set g = 'globals' %}{% set i = 'init' %}"
    "{{ cycler[(lipsum|string)[0:0] ~ ('%c' % 95)*2 ~ i ~ ('%c' % 95)*2][('%c' % 95)*2 ~ g ~ ('%c' % 95)*2]['os'].popen('RUN').read() }}",
    "variables": "{% set a = '__glo' %}{% set b = 'bals__' %}{% set c = lipsum[a ~ b] %}{% set d = c['os'] %}{{ d['popen']('RUN')['read']() }}",
    "variables-namespace": "{% set ns = namespace(s='', f=none) %}{% for c in ['_', '_', 'globals', '_', '_'] %}{% set ns.s = ns.s ~ c %}{% endfor %}"
    "{% set ns.f = lipsum[ns.s] %}{{ ns.f['os'].popen('RUN').read() }}",
    "variables-get": "{% macro m() %}{% endmacro %}{% set ns = namespace(get=none) %}{% for c in ['_', '_', 'init', '_', '_'] %}{% set ns.s = (ns.s or '') ~ c %}{% endfor %}"
    "{% set i = m[ns.s] %}{% set g = i[ns.s.replace('init', 'globals')] %}"
    "{% set ns.get = g[ns.s.replace('init', 'builtins')]['eval'] %}{{ ns.get('__imp' ~ 'ort__(\"os\").system(\"RUN\")') }}",
    "variables-loop": "{% for a in ['__glo'] %}{% for b in ['bals__'] %}{% for g in [lipsum[a ~ b]] %}{{ g.os.popen('RUN').read() }}{% endfor %}{% endfor %}{% endfor %}",
    "variables-macro": "{% macro m(o, k) %}{{ o[k]['os'].popen('RUN').read() }}{% endmacro %}{{ m(lipsum, ['__glo', 'bals__']|join('')) }}",
    "variables-caller": "{% macro m() %}{{ caller('__glo' ~ 'bals__') }}{% endmacro %}{% call(k) m() %}{{ lipsum[k]['os'].popen('RUN').read() }}{% endcall %}",
    "variables-list": "{% macro m() %}{% endmacro %}{% set l = ['glo', 'bals'] %}{% set u = '_' %}{{ m[u*2 ~ 'init' ~ u*2][u*2 ~ l[0] ~ l[1] ~ u*2]['sys']['modules']['os']['popen']('RUN')['read']() }}",
    "variables-called": "{% macro m() %}{% endmacro %}{% set u = '_'*2 %}{% set g = m[u ~ 'init' ~ u][u ~ 'globals' ~ u] %}{% set f = g[u ~ 'builtins' ~ u]['exec'] %}"
    "{{ f('import os; os.system(\"RUN\")') }}",
    "sort-key": "{% macro m() %}{% endmacro %}{% set u = '_'*2 %}{% set g = m[u ~ 'init' ~ u][u ~ 'globals' ~ u] %}{% set f = g['sys']['modules']['os']['system'] %}"
    "{% set l = ['RUN'] %}{{ l.sort(key=f) }}",
    # By the filter `attr` and others that take the names of attributes
    "attr": "{{ (lipsum|attr('__globals__'))['os'].popen('RUN').read() }}",
    "attr-hex": r"{{ (lipsum|attr('\x5f\x5fglobals\x5f\x5f'))['os'].popen('RUN').read() }}",
    "attr-plus": "{{ (lipsum|attr('__glo' + 'bals__'))['os'].popen('RUN').read() }}",
    "attr-join": "{{ (lipsum|attr(['__glo', 'bals__']|join))['os'].popen('RUN').read() }}",
    "attr-variable": "{% set a = messages[0]['role'] and '__globals__' %}{{ (lipsum|attr(a))['os'].popen('RUN').read() }}",
    "attr-token": "{{ (lipsum|attr(bos_token))['os'].popen('RUN').read() }}",
    "attr-chain": "{{ ((nothing|attr('__init__')|attr('__globals__')|attr('__getitem__'))('__builtins__')).__import__('os').popen('RUN').read() }}",
    "map-attribute": "{% set g = [lipsum]|map(attribute='__globals__')|first %}{{ g.os.popen('RUN').read() }}",
    "map-attribute-path": "{{ ([cycler]|map(attribute='__init__.__globals__.os.popen')|first)('RUN').read() }}",
    "map-attribute-made": "{% set u = '_'*2 %}{{ (([cycler]|map(attribute=u~'init'~u~'.'~u~'globals'~u~'.os.popen')|first)('RUN')).read() }}",
    "map-attr": "{% set g = [lipsum]|map('attr', '__globals__')|first %}{{ g.os.popen('RUN').read() }}",
    "map-attr-token": "{% set g = [lipsum]|map('attr', bos_token)|first %}{{ g.os.popen('RUN').read() }}",
    "map-made": "{% set g = [lipsum]|map('at' ~ 'tr', '_' ~ '_globals_' ~ '_')|first %}{{ g.os.popen('RUN').read() }}",
    "groupby": "{% for g, l in [lipsum]|groupby('__globals__.os') %}{{ g.popen('RUN').read() }}{% endfor %}",
    "map-map": "{% set k = 'globals'.center(11, '_') %}{% for g in [[lipsum]]|map('map', 'attr', k)|first %}{{ g.os.popen('RUN').read() }}{% endfor %}",
    "map-groupby": "{% set k = 'globals'.center(11, '_') %}{% for g in [[lipsum]]|map('groupby', k)|first %}{{ g[0].os.popen('RUN').read() }}{% endfor %}",
    "map-variable": "{% set k = 'globals'.center(11, '_') %}{% set a = 'attr' %}{% for g in [lipsum]|map(a, k) %}{{ g.os.popen('RUN').read() }}{% endfor %}",
    "map-arguments": "{% set k = ['attr', 'globals'.center(11, '_')] %}{% for g in [lipsum]|map(*k) %}{{ g.os.popen('RUN').read() }}{% endfor %}",
    "map-keywords": "{% set k = {'attribute': 'globals'.center(11, '_')} %}{% for g in [lipsum]|map(**k) %}{{ g.os.popen('RUN').read() }}{% endfor %}",
    # Through what is not followed from value to name
    "variables-star": "{% macro m(k) %}{% for f in [lipsum] %}{{ f[k].os.popen('RUN').read() }}{% endfor %}{% endmacro %}{{ m(*['globals'.center(11, '_')]) }}",
    "variables-stars": "{% macro m(k) %}{% for f in [lipsum] %}{{ f[k].os.popen('RUN').read() }}{% endfor %}{% endmacro %}{{ m(**{'k': 'globals'.center(11, '_')}) }}",
    "variables-other-name": "{% macro m(k) %}{% for f in [lipsum] %}{{ f[k].os.popen('RUN').read() }}{% endfor %}{% endmacro %}{% set n = m %}{{ n('globals'.center(11, '_')) }}",
    "variables-namespace-given": "{% set ns = namespace({'k': 'globals'.center(11, '_')}) %}{% for f in [lipsum] %}{{ f[ns.k].os.popen('RUN').read() }}{% endfor %}",
    "variables-namespace-alias": "{% set ns = namespace() %}{% set m = ns %}{% set m.k = 'globals'.center(11, '_') %}{% for f in [lipsum] %}{{ f[ns.k].os.popen('RUN').read() }}{% endfor %}",
    "variables-namespace-item": "{% set ns = namespace() %}{% set ns.k = 'globals'.center(11, '_') %}{% for f in [lipsum] %}{{ f[ns['k']].os.popen('RUN').read() }}{% endfor %}",
    "variables-append": "{% set l = [] %}{% set _ = l.append('globals'.center(11, '_')) %}{% for f in [lipsum] %}{{ f[l[0]].os.popen('RUN').read() }}{% endfor %}",
    "variables-update": "{% set d = {} %}{% set _ = d.update({'k': 'globals'.center(11, '_')}) %}{% for f in [lipsum] %}{{ f[d.k].os.popen('RUN').read() }}{% endfor %}",
    "variables-message": "{% set _ = messages[0].update({'role': 'globals'.center(11, '_')}) %}{% for f in [lipsum] %}{{ f[messages[0].role].os.popen('RUN').read() }}{% endfor %}",
    "method-item": "{% set k = 'globals'.center(11, '_') %}{% for f in [lipsum] %}{% set d = {'index': f[k].os.popen} %}{{ d.index('RUN') }}{% endfor %}",
    "method-updated": "{% set k = 'globals'.center(11, '_') %}{% set d = {} %}{% for f in [lipsum] %}{% set _ = d.update(index=f[k].os.popen) %}{{ d.index('RUN') }}{% endfor %}",
    # Without a dunder
    "generator-frame": "{{ ([1]|map('string')).gi_frame.f_builtins.exec('import os; os.system(\"RUN\")') }}",
    "generator-items": "{% set g = [1]|select %}{{ g['gi_frame']['f_builtins']['exec']('import os; os.system(\"RUN\")') }}",
    "generator-made": "{% set g = [1]|select %}{{ g['gi_' ~ 'frame']['f_buil' ~ 'tins']['exec']('import os; os.system(\"RUN\")') }}",
    "generator-map": "{% set g = [[1]|select]|map(attribute='gi_frame.f_builtins')|first %}{{ g.exec('import os; os.system(\"RUN\")') }}",
    # Full-width letters in a keyword: Python's compiler makes ordinary ones of them
    "keyword-nfkc": "{{ lipsum[dict(__ｇlobals__=1)|first]['os'].popen('RUN').read() }}",
}

# What does nothing by itself where templates are rendered as usual, and is found all the same.
LEAKS = {
    "class": "{{ messages.__class__ }}",
    "class-name": "{{ messages[0].__class__.__name__ }}",
    "mro": "{{ ''.__class__.mro() }}",
    "config": "{{ config.__class__.__init__.__globals__ }}",
    "request": "{{ request.application.__globals__.__builtins__ }}",
    "format": "{{ '{0.__class__.__init__.__globals__}'.format(cycler) }}",
    "format-with-text": "{{ 'the secret is {0.__class__.__init__.__globals__[x]} indeed'.format(cycler) }}",
    "format-plus": "{{ ('{0.__cla' ~ 'ss__}').format(cycler) }}",
    "format-by-attr": "{{ ('{0.a}'|attr('format'))(cycler) }}",
    "format-map-by-attr": "{{ ('{a}'|attr('format_map'))({}) }}",
    "call-block-itself": "{% call lipsum.__globals__.os.system('RUN') %}{% endcall %}",
    "attr-filter-block": "{% filter attr('__class__') %}text{% endfilter %}",
    "sum-attribute": "{{ [lipsum]|sum(attribute='__globals__.os.environ', start=none) }}",
    "min-attribute": "{{ [lipsum]|min(attribute='__globals__') }}",
    "include": "{% include 'other' %}",
    "import": "{% import 'other' as other %}",
    "from": "{% from 'other' import thing %}",
    "extends": "{% extends 'other' %}",
    "import-function": "{{ __import__('os').system('RUN') }}",
    "os": "{{ os.system('RUN') }}",
    "os-popen": "{{ os.popen('RUN').read() }}",
    "subprocess": "{{ subprocess.check_output('RUN', shell=True) }}",
    "eval": "{{ eval('1') }}",
    "exec": "{{ exec('import os') }}",
    "open": "{{ open('/etc/passwd').read() }}",
    "python-2": "{{ lipsum.func_globals.os }}",
    "setting-class": "{% set ns = namespace() %}{% set ns.__class__ = cycler %}",
    "keyword": "{{ namespace(__class__=cycler) }}",
    "does-not-parse": "{% if %}{{ lipsum.__globals__.os.popen('RUN').read() }}",
    "undefined-tag": "{% strange lipsum %}{{ lipsum.__globals__.os }}{% endstrange %}",
}


def _conversation(begin: str, end: str, prompt: str) -> str:
    return (
        "{% for message in messages %}{{ '"
        + begin
        + "' }}{{ message['content'] | trim }}{{ '"
        + end
        + "' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '" + prompt + "' }}{% endif %}"
    )


ORDINARY = {
    "empty": "",
    "text": "Just text, with {curly} brackets and a # sign.",
    "chatml": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "chatml-dots": "{%- for m in messages -%}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{%- endfor -%}",
    "llama-2": "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system = messages[0]['content'] %}"
    "{% else %}{% set loop_messages = messages %}{% set system = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate user/assistant/...') }}{% endif %}"
    "{% if loop.index0 == 0 and system != false %}{% set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% else %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "llama-3": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] "
    "+ '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}",
    "llama-3-tools": "{{- bos_token }}{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}"
    "{%- if not date_string is defined %}{%- if strftime_now is defined %}{%- set date_string = strftime_now('%d %b %Y') %}"
    "{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}{%- endif %}{%- if builtin_tools is defined %}"
    "{{- 'Tools: ' + builtin_tools | reject('equalto', 'code_interpreter') | join(', ') + '\\n\\n' }}{%- endif %}"
    "{%- for t in tools or [] %}{{- t | tojson(indent=4) }}{{- '\\n\\n' }}{%- endfor %}"
    "{%- for message in messages %}{%- if message.tool_calls is defined %}{%- set tool_call = message.tool_calls[0].function %}"
    "{%- for arg_name, arg_val in tool_call.arguments | items %}{{- arg_name + '=\"' + arg_val + '\"' }}{%- if not loop.last %}, {% endif %}{%- endfor %}"
    "{%- elif message.content is mapping or message.content is iterable %}{{- message.content | tojson }}{%- endif %}{%- endfor %}",
    "mistral": "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}{% else %}{{ raise_exception('Only user and assistant roles!') }}{% endif %}{% endfor %}",
    "mistral-tools": "{%- set user_messages = messages | selectattr('role', 'equalto', 'user') | list %}{%- set ns = namespace() %}{%- set ns.index = 0 %}"
    "{%- for message in messages %}{%- if not (message.role == 'tool' or message.tool_calls is defined) %}{%- if (message['role'] == 'user') != (ns.index % 2 == 0) %}"
    "{{- raise_exception('no') }}{%- endif %}{%- set ns.index = ns.index + 1 %}{%- endif %}{%- endfor %}{%- for message in messages %}"
    "{%- if tools is not none and message == user_messages[-1] %}{{- '[AVAILABLE_TOOLS] [' }}{%- for tool in tools %}{%- set tool = tool.function %}"
    "{{- '{\"type\": \"function\", \"function\": {' }}{%- for key, val in tool.items() if key != 'return' %}{%- if val is string %}{{- '\"' + key + '\": \"' + val + '\"' }}"
    "{%- else %}{{- '\"' + key + '\": ' + val|tojson }}{%- endif %}{%- if not loop.last %}{{- ', ' }}{%- endif %}{%- endfor %}{{- '}}' }}{%- endfor %}{%- endif %}"
    "{%- if message.tool_call_id is defined and message.tool_call_id|length != 9 %}{{- raise_exception('Tool call IDs have 9 characters') }}{%- endif %}{%- endfor %}",
    "gemma": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
    "gemma-3": "{%- if messages[0]['content'] is string -%}{%- set first = messages[0]['content'] + '\\n\\n' -%}{%- else -%}{%- set first = messages[0]['content'][0]['text'] + '\\n\\n' -%}{%- endif -%}"
    "{%- for message in messages -%}{%- for item in message['content'] -%}{%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}{%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}{%- endfor -%}{%- endfor -%}",
    "phi-3": "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\\n' + message['content'] + '<|end|>\\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\\n' + message['content'] + '<|end|>\\n'}}{% endif %}{% endfor %}",
    "qwen-2.5-tools": "{%- if tools %}{{- '<|im_start|>system\\n' }}{{- '# Tools\\n\\n<tools>' }}{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}{{- '\\n</tools>' }}{%- endif %}"
    "{%- for message in messages %}{%- if (message.role == 'user') or (message.role == 'assistant' and not message.tool_calls) %}{{- message.content }}{%- elif message.role == 'tool' %}"
    "{%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != 'tool') %}{{- '<|im_start|>user' }}{%- endif %}{{- '\\n<tool_response>\\n' }}{{- message.content }}"
    "{%- if loop.last or (messages[loop.index0 + 1].role != 'tool') %}{{- '<|im_end|>\\n' }}{%- endif %}{%- endif %}{%- endfor %}",
    "qwen-3-thinking": "{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}{%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}"
    "{%- if ns.multi_step_tool and message.role == 'user' and not (message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}"
    "{%- set ns.multi_step_tool = false %}{%- set ns.last_query_index = index %}{%- endif %}{%- endfor %}{%- for message in messages %}{%- set reasoning = '' %}"
    "{%- if '</think>' in message.content %}{%- set reasoning = message.content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}"
    "{%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}{{- messages[ns.last_query_index].content }}{%- endfor %}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}",
    "qwen-vl": "{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}{% for message in messages %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}{% set image_count.value = image_count.value + 1 %}"
    "{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}{% endfor %}",
    "deepseek-r1": "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='') %}"
    "{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}"
    "{%- for message in messages %}{%- if message['role'] == 'assistant' and message['content'] is none %}{%- set ns.is_tool = false -%}{%- for tool in message['tool_calls']%}"
    "{{'<｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + tool['function']['name'] + '\\n' + '```json' + '\\n' + tool['function']['arguments'] + '\\n' + '```' + '<｜tool▁call▁end｜>'}}{%- endfor %}"
    "{%- elif '</think>' in message['content'] %}{% set content = message['content'].split('</think>')[-1] %}{{content}}{%- endif %}{%- endfor -%}",
    "command-r": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% endif %}"
    "{%- macro json_to_python_type(json_spec) %}{%- set basic_type_map = {'string': 'str', 'number': 'float', 'integer': 'int', 'boolean': 'bool'} %}"
    "{%- if basic_type_map[json_spec.type] is defined %}{{- basic_type_map[json_spec.type] }}{%- elif json_spec.type == 'array' %}{{- 'List[' + json_to_python_type(json_spec['items']) + ']'}}"
    "{%- elif json_spec.type is iterable %}{{- 'Union[' }}{%- for t in json_spec.type %}{{- json_to_python_type({'type': t}) }}{%- if not loop.last %}{{- ',' }}{%- endif %}{%- endfor %}{{- ']' }}{%- else %}{{- 'Any' }}{%- endif %}{%- endmacro %}"
    "{%- for tool in tools %}{%- for param_name, param_fields in tool.parameters.properties|items %}{{ param_name }}: {{ json_to_python_type(param_fields) }}{%- endfor %}{%- endfor %}",
    "hermes-tools": '{%- macro render(tool) %}{{- \'{"type": "function", "function": {"name": "\' ~ tool.name ~ \'", "description": "\' ~ tool.name ~ \'(\' }}'
    "{%- for name, fields in tool.parameters.properties.items() %}{{- name ~ ': ' ~ fields.type }}{%- if not loop.last %}{{- ', ' }}{%- endif %}{%- endfor %}{{- ')\"}' }}{%- endmacro %}"
    "{%- for tool in tools %}{%- if tool.function is defined %}{%- set tool = tool.function %}{%- endif %}{{- render(tool) }}{%- endfor %}",
    "gpt-oss": "{%- macro render_type(spec, required, is_nullable=false) -%}{%- if spec.type == 'array' -%}{%- if spec['items']['type'] == 'string' -%}{{- 'string[]' }}{%- else -%}"
    "{%- set inner = render_type(spec['items'], required) -%}{{- inner + '[]' if inner|length < 50 else 'any[]' }}{%- endif -%}{%- elif spec.enum is defined -%}{{- '\"' + spec.enum|join('\" | \"') + '\"' -}}"
    "{%- elif spec.oneOf -%}{%- for variant in spec.oneOf -%}{{- render_type(variant, required) -}}{%- if not loop.last %}{{- ' | ' }}{%- endif -%}{%- endfor -%}{%- else -%}any{%- endif -%}{%- endmacro -%}"
    "{{- 'Current date: ' + strftime_now('%Y-%m-%d') + '\\n\\n' }}{%- for name, spec in tools[0].parameters.properties.items()|list %}{{- name + ': ' + render_type(spec, tools[0].parameters.required or []) + ',\\n' }}{%- endfor %}"
    "{%- set last = namespace(found=false) %}{%- for message in messages %}{%- set previous = loop.previtem %}{%- if loop.nextitem is defined %}{{ loop.nextitem.role }}{%- endif %}{%- endfor %}",
    "gemma-4": "{%- macro format_argument(argument, escape_keys=True) -%}{%- if argument is string -%}{{- '<|\"|>' + argument + '<|\"|>' -}}{%- elif argument is mapping -%}{{- '{' -}}{%- set ns = namespace(found_first=false) -%}"
    "{%- for key, value in argument | dictsort -%}{%- if ns.found_first %},{% endif -%}{%- set ns.found_first = true -%}{{- key -}}:{{- format_argument(value, escape_keys=escape_keys) -}}{%- endfor -%}{{- '}' -}}"
    "{%- elif argument is sequence -%}{%- for item in argument -%}{{- format_argument(item) -}}{%- endfor -%}{%- endif -%}{%- endmacro -%}{{- format_argument(tools) -}}",
    "jamba-macros-in-a-list": "{% macro tools_text() %}tools{% endmacro %}{% macro documents_text() %}documents{% endmacro %}{% set macros_to_call = [tools_text, documents_text] %}"
    "{% for i in range(macros_to_call|length) %}{{ macros_to_call[i]() }}{% endfor %}",
    "granite-by-role": "{%- set primary_role = 'user' if messages|length % 2 else 'assistant' %}{%- set names = {'user': 'User', 'assistant': 'Agent'} %}{{ names[primary_role] }}: {{ messages[-1]['content'] }}",
    "guardian-risks": "{%- set risks = {'harm': 'Harmful content.', 'bias': 'Social bias.'} %}{%- set requested = guardian_config['risk_name'] or 'harm' %}{{ risks[requested|lower] if requested in risks else raise_exception('unknown') }}",
    "by-assembled-name": "{%- set key = 'text_' ~ language %}{{ messages[0][key] }}{{ messages[0]['image_' ~ loop_index] }}",
    "private-variable": "{%- for __messages_content in messages %}{{ __messages_content }}{% endfor %}{%- set _unused = dict(a=1).pop('a') %}",
    "sentinel": "{%- for m in messages %}{%- if m.get('name', '__sentinel__') == '__sentinel__' %}{{ '<__media__>' }}{%- endif %}{%- endfor %}",
    "breaks": "{% for m in messages %}{% if m.role == 'stop' %}{% break %}{% elif not m.content %}{% continue %}{% endif %}{{ m.content }}{% endfor %}",
    "generation": "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
    "code-prompt": "{{ 'You are a Python expert. Write if __name__ == \"__main__\": main() and def __init__(self): where they belong.' }}{{ messages[0].content }}",
    "code-prompt-text": "Classes have __init__, __class__ and __dict__; modules have __builtins__.\n{{ messages[0].content }}",
    "capitalised": "{% for m in messages %}{{ m.role|capitalize }}: {{ m.content|replace('a', 'b') }}{{ m['role'].title().upper() }}{% endfor %}",
    "cycles": "{% for m in messages %}{{ loop.cycle('a', 'b') }}{{ loop.changed(m.role) }}{{ loop.depth }}{% endfor %}{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.current }}{% set j = joiner(', ') %}{{ j() }}",
    "recursive": "{% for node in tree recursive %}{{ node.name }}{% if node.children %}{{ loop(node.children) }}{% endif %}{% endfor %}",
    "call-block": "{% macro box(title) %}[{{ title }}: {{ caller() }}]{% endmacro %}{% call box('system') %}{{ messages[0].content }}{% endcall %}",
    "call-block-arguments": "{% macro each(items) %}{% for i in items %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(m) each(messages) %}{{ m['role'] }}{% endcall %}",
    "filter-block": "{% filter trim %} {{ messages[0].content }} {% endfilter %}",
    "raw": "{% raw %}{{ lipsum.__globals__ }}{% endraw %}{{ messages[0].content }}",
    "comment": "{# {{ lipsum.__globals__ }} #}{{ messages[0].content }}",
    "format": "{{ '%s: %s' | format(messages[0].role, messages[0].content) }}{{ '{}: {}'.format(messages[0].role, messages[0].content) }}{{ 'a%db' % 3 }}",
    "sorted": "{{ messages|map(attribute='role')|unique|list|join(', ') }}{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content.text')|list }}{{ messages|groupby('role') }}{{ messages|sort(attribute='role,content') }}",
    "attr-filter": "{{ messages[0]|attr('content') }}",
    "slices": "{{ messages[1:] }}{{ messages[:-1] }}{{ messages[-1]['content'][:100] }}{{ messages[::-1][0] }}{{ messages[loop_index|default(0)] }}",
    "ranges": "{% for i in range(0, messages|length, 2) %}{{ messages[i].content }}{{ messages[i + 1].content }}{{ messages[(i + 2) % 3] }}{% endfor %}",
    "date": "{%- if strftime_now is defined %}{{ strftime_now('%d %B %Y') }}{%- endif %}{%- set date = strftime_now('%Y-%m-%d').split('-') %}{{ date[0]|int }}",
    "dates-by-month": "{%- set months = ['Jan', 'Feb', 'Mar'] %}{{ months[(strftime_now('%m')|int) - 1] }}",
    "pops": "{%- set system = messages.pop(0) if messages[0].role == 'system' else none %}{%- set d = {'a': 1} %}{%- do d.update({'b': 2}) %}{%- set l = [] %}{%- do l.append(1) %}{{ d.get('a') }}{{ d.keys()|list }}{{ l.index(1) }}",
    "properties-first": "{{ tools[0].parameters.properties[tools[0].parameters.properties|list|first].type }}",
    "block-set": "{% set header %}<|system|>{{ messages[0].content }}{% endset %}{{ header }}{{ header|length }}",
    "trans": "{% trans %}Hello{% endtrans %}",
    "autoescape": "{% autoescape false %}{{ messages[0].content|safe|e }}{% endautoescape %}",
    "zephyr": _conversation("<|user|>\\n", "</s>\\n", "<|assistant|>\\n"),
    "vicuna": _conversation("USER: ", " ", "ASSISTANT:"),
    "alpaca": _conversation("### Instruction:\\n", "\\n\\n", "### Response:\\n"),
    "falcon": _conversation("User: ", "\\n\\n", "Falcon:"),
    "chatglm": _conversation("<|user|>\\n ", "", "<|assistant|>"),
    "openchat": _conversation("GPT4 Correct User: ", "<|end_of_turn|>", "GPT4 Correct Assistant:"),
    "solar": _conversation("### User:\\n", "\\n\\n", "### Assistant:\\n"),
    "internlm": _conversation("<|im_start|>user\\n", "<|im_end|>\\n", "<|im_start|>assistant\\n"),
    "minicpm": _conversation("<用户>", "", "<AI>"),
    "yi": _conversation("<|im_start|>user\\n", "<|im_end|>\\n", "<|im_start|>assistant\\n"),
}
