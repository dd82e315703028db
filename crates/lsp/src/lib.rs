//! The language server: what an editor asks of a program while it is written.
//!
//! [`serve`] speaks the Language Server Protocol over a connection: diagnostics as the text changes, hover, completion,
//! definitions, renaming, layout, and lenses that run. One thread answers; a text is understood when no message waits, so that
//! fast typing is not run after.

mod analysis;
mod answers;
mod completion;
mod position;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use fe_pipeline::Headers;
use lsp_server::{Connection, ErrorCode, Message, Notification, ProtocolError, Request, Response};
use lsp_types::notification::{
    DidChangeTextDocument, DidCloseTextDocument, DidOpenTextDocument, DidSaveTextDocument, Notification as _,
    PublishDiagnostics,
};
use lsp_types::request::{
    CodeLensRequest, Completion, DocumentSymbolRequest, Formatting, GotoDefinition, HoverRequest, References, Rename,
    Request as _,
};
use lsp_types::{
    CodeLensOptions, CompletionOptions, HoverProviderCapability, OneOf, PublishDiagnosticsParams, ServerCapabilities,
    TextDocumentSyncCapability, TextDocumentSyncKind, Uri,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::analysis::Document;

/// Serves standard input and output until the editor leaves.
///
/// # Errors
/// When the connection breaks, or does not keep to the protocol.
pub fn serve_stdio() -> Result<(), String> {
    let (connection, threads) = Connection::stdio();
    serve(&connection).map_err(|e| e.to_string())?;
    // The writing thread ends when nothing can be sent any more.
    drop(connection);
    threads.join().map_err(|e| e.to_string())
}

/// Serves a connection until the editor leaves.
///
/// # Errors
/// When the connection breaks, or does not keep to the protocol.
pub fn serve(connection: &Connection) -> Result<(), ProtocolError> {
    let capabilities = serde_json::to_value(capabilities()).unwrap_or_default();
    connection.initialize(capabilities)?;
    let mut server = Server { connection, documents: HashMap::new(), headers: Arc::default() };
    while let Ok(message) = connection.receiver.recv() {
        match message {
            Message::Request(request) => {
                if connection.handle_shutdown(&request)? {
                    break;
                }
                let response = server.answer(request);
                server.send(Message::Response(response));
            }
            Message::Notification(notification) => server.note(notification),
            Message::Response(_) => {}
        }
        // What waits may change the text once more.
        if connection.receiver.is_empty() {
            server.publish();
        }
    }
    Ok(())
}

fn capabilities() -> ServerCapabilities {
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::FULL)),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(["~", "|", "\"", "["].map(str::to_owned).to_vec()),
            ..CompletionOptions::default()
        }),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Left(true)),
        document_symbol_provider: Some(OneOf::Left(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        code_lens_provider: Some(CodeLensOptions { resolve_provider: Some(false) }),
        ..ServerCapabilities::default()
    }
}

struct Server<'c> {
    connection: &'c Connection,
    documents: HashMap<Uri, Document>,
    /// Of the files that texts read: a file that has not changed is not read again with every letter that is typed.
    headers: Arc<Mutex<Headers>>,
}

impl Server<'_> {
    fn send(&self, message: Message) {
        // Where nobody listens any more, the loop ends by itself.
        let _ = self.connection.sender.send(message);
    }

    /// Takes note of a text that was opened, changed or closed.
    fn note(&mut self, notification: Notification) {
        let params = notification.params;
        match notification.method.as_str() {
            DidOpenTextDocument::METHOD => {
                if let Some(opened) = read::<lsp_types::DidOpenTextDocumentParams>(params) {
                    let uri = opened.text_document.uri;
                    self.documents.insert(uri.clone(), Document::new(&uri, opened.text_document.text));
                }
            }
            DidChangeTextDocument::METHOD => {
                if let Some(changed) = read::<lsp_types::DidChangeTextDocumentParams>(params)
                    && let Some(last) = changed.content_changes.into_iter().last()
                {
                    let uri = changed.text_document.uri;
                    let document = match self.documents.remove(&uri) {
                        Some(before) => before.changed(&uri, last.text),
                        None => Document::new(&uri, last.text),
                    };
                    self.documents.insert(uri, document);
                }
            }
            // Files of data may have changed as well.
            DidSaveTextDocument::METHOD => {
                if let Some(saved) = read::<lsp_types::DidSaveTextDocumentParams>(params)
                    && let Some(document) = self.documents.get_mut(&saved.text_document.uri)
                {
                    document.forget();
                }
            }
            DidCloseTextDocument::METHOD => {
                if let Some(closed) = read::<lsp_types::DidCloseTextDocumentParams>(params) {
                    let uri = closed.text_document.uri;
                    self.documents.remove(&uri);
                    self.diagnostics(uri, vec![]);
                }
            }
            _ => {}
        }
    }

    /// Says what is wrong with every text that was not understood yet.
    fn publish(&mut self) {
        let mut said = vec![];
        for (uri, document) in &mut self.documents {
            if document.understand(&self.headers) {
                said.push((uri.clone(), answers::diagnostics(uri, document)));
            }
        }
        for (uri, diagnostics) in said {
            self.diagnostics(uri, diagnostics);
        }
    }

    fn diagnostics(&self, uri: Uri, diagnostics: Vec<lsp_types::Diagnostic>) {
        let params = PublishDiagnosticsParams { uri, diagnostics, version: None };
        self.send(Message::Notification(Notification::new(PublishDiagnostics::METHOD.to_owned(), params)));
    }

    fn answer(&mut self, request: Request) -> Response {
        let Request { id, method, params } = request;
        let found = match method.as_str() {
            HoverRequest::METHOD => self.about(
                params,
                |p: lsp_types::HoverParams| {
                    (p.text_document_position_params.text_document.uri, p.text_document_position_params.position)
                },
                |_, document, at| answers::hover(document, at),
            ),
            Completion::METHOD => self.about(
                params,
                |p: lsp_types::CompletionParams| {
                    (p.text_document_position.text_document.uri, p.text_document_position.position)
                },
                |_, document, at| Some(completion::items(document, at)),
            ),
            GotoDefinition::METHOD => self.about(
                params,
                |p: lsp_types::GotoDefinitionParams| {
                    (p.text_document_position_params.text_document.uri, p.text_document_position_params.position)
                },
                answers::definition,
            ),
            References::METHOD => self.about(
                params,
                |p: lsp_types::ReferenceParams| {
                    (p.text_document_position.text_document.uri, p.text_document_position.position)
                },
                |uri, document, at| Some(answers::references(uri, document, at)),
            ),
            Rename::METHOD => {
                let name = params.get("newName").and_then(|n| n.as_str()).unwrap_or_default().to_owned();
                self.about(
                    params,
                    |p: lsp_types::RenameParams| {
                        (p.text_document_position.text_document.uri, p.text_document_position.position)
                    },
                    |uri, document, at| answers::rename(uri, document, at, &name),
                )
            }
            DocumentSymbolRequest::METHOD => self.about(
                params,
                |p: lsp_types::DocumentSymbolParams| (p.text_document.uri, lsp_types::Position::default()),
                |_, document, _| Some(answers::symbols(document)),
            ),
            Formatting::METHOD => self.about(
                params,
                |p: lsp_types::DocumentFormattingParams| (p.text_document.uri, lsp_types::Position::default()),
                |_, document, _| answers::formatted(document),
            ),
            CodeLensRequest::METHOD => self.about(
                params,
                |p: lsp_types::CodeLensParams| (p.text_document.uri, lsp_types::Position::default()),
                |uri, document, _| Some(answers::lenses(uri, document)),
            ),
            _ => return Response::new_err(id, ErrorCode::MethodNotFound as i32, format!("`{method}` is not answered")),
        };
        match found {
            Some(value) => Response::new_ok(id, value),
            None => {
                Response::new_err(id, ErrorCode::InvalidParams as i32, format!("`{method}` was asked of no open text"))
            }
        }
    }

    /// An answer about a place of an open text; `null` where there is nothing to say, and none where the question is no question.
    fn about<P: DeserializeOwned, A: Serialize>(
        &mut self,
        params: serde_json::Value,
        place: impl Fn(P) -> (Uri, lsp_types::Position),
        answer: impl Fn(&Uri, &Document, lsp_types::Position) -> Option<A>,
    ) -> Option<serde_json::Value> {
        let (uri, at) = place(read::<P>(params)?);
        let document = self.documents.get_mut(&uri)?;
        document.understand(&self.headers);
        serde_json::to_value(answer(&uri, document, at)).ok()
    }
}

fn read<P: DeserializeOwned>(params: serde_json::Value) -> Option<P> {
    serde_json::from_value(params).ok()
}
