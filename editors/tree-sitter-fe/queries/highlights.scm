(comment) @comment
(string) @string
(number) @number
(unit) @number

[
  "model" "dim" "const" "data" "param" "let" "latent" "guide" "observe" "loss" "meter" "price" "for" "refine" "minimize"
  "train" "show" "fn" "in" "from" "over" "steps" "by" "subject" "to" "as" "where" "all" "but"
] @keyword

["if" "then" "else"] @keyword.conditional
["and" "or" "not"] @keyword.operator
["~" "=" "|>" "==" "!=" "<" "<=" ">" ">=" "+" "-" "*" "/" "@" "^"] @operator

(type name: (identifier) @type)
(target name: (identifier) @variable)
(call function: (identifier) @function.call
  (#not-match? @function.call "^[A-Z]"))
(call function: (identifier) @constructor
  (#match? @constructor "^[A-Z]"))
(fn name: (identifier) @function)
(named name: (identifier) @variable.parameter)
(entry key: (identifier) @property)
(axis) @constant
