// Starts `fe lsp` for programs, and runs the command in a terminal where a lens asks for it.
const { workspace, window, commands, Uri } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

/** The command as the settings have it. */
const command = () => workspace.getConfiguration("fe").get("command") || "fe";

/** Runs `fe WORD PROGRAM` in the folder of the program, which a lens names or which is being edited. */
async function inTerminal(word, address) {
  const uri = address ? Uri.parse(address) : window.activeTextEditor?.document.uri;
  if (!uri) return;
  await workspace.save(uri);
  const folder = Uri.joinPath(uri, "..").fsPath;
  const file = uri.path.split("/").pop();
  const terminal = window.terminals.find((t) => t.name === "fe") || window.createTerminal({ name: "fe", cwd: folder });
  terminal.show(true);
  terminal.sendText(`cd "${folder}" && "${command()}" ${word} "${file}"`);
}

exports.activate = (context) => {
  for (const word of ["run", "explain"]) {
    context.subscriptions.push(commands.registerCommand(`fe.${word}`, (address) => inTerminal(word, address)));
  }
  const server = { command: command(), args: ["lsp"] };
  client = new LanguageClient("fe", "Free Energy", server, { documentSelector: [{ scheme: "file", language: "fe" }] });
  return client.start();
};

exports.deactivate = () => client?.stop();
