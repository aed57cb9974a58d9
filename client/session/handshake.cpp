#include <steward/client/session/handshake.hpp>

#include <utility>

#include <steward/core/auth.hpp>

namespace steward::detail::client {

std::string Handshake::hello() {
  nonce_ = nonces_();
  core::Hello hello;
  hello.nonce = nonce_;
  if (session_) {
    hello.session = session_;
  } else {
    hello.ticket = ticket_;
  }
  return core::encode(hello);
}

std::string Handshake::prove(std::string_view challenge, std::vector<core::Seq> incomplete,
                             core::Seq first_incomplete) {
  nonce_ = nonces_();
  core::Hello hello;
  hello.session = session_;
  hello.nonce = nonce_;
  hello.proof = core::session_proof(core::Role::client, secret_, *session_, challenge);
  hello.incomplete = std::move(incomplete);
  hello.first_incomplete = first_incomplete;
  return core::encode(hello);
}

bool Handshake::accept(const core::Welcome& welcome) {
  if (!session_) {
    secret_ = welcome.secret;  // first: it needs memory
    incarnation_ = welcome.incarnation;
    session_ = welcome.session;
    return true;
  }
  if (welcome.session != *session_ || welcome.incarnation != incarnation_) return false;
  const std::string proof =
      core::session_proof(core::Role::server, secret_, *session_, nonce_);
  return core::equal_secrets(welcome.proof, proof);
}

void Handshake::restart(std::string ticket) {
  ticket_ = std::move(ticket);
  session_.reset();
}

}  // namespace steward::detail::client
