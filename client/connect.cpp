// How a session comes about: by an address, a token, a reference, or a transport.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

#include <steward/client/address.hpp>
#include <steward/client/interrupt.hpp>
#include <steward/client/client_reference.hpp>
#include <steward/client/exit.hpp>
#include <steward/client/names.hpp>
#include <steward/client/private_directory.hpp>
#include <steward/client/reachable.hpp>
#include <steward/client/reference.hpp>
#include <steward/client/control_socket.hpp>
#include <steward/client/state.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/auth_key.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/interrupt.hpp>
#include <steward/core/tcp_address.hpp>
#include <steward/shm/standard_descriptors.hpp>

namespace steward::detail::client {
namespace {

using SessionDriverPtr = ClientState::SessionDriverPtr;

// Of who listens at a tcp address: how long its first word is awaited.
constexpr std::chrono::seconds kFirstWord{1};

constexpr const char* kOutOfReach = "the manager of this handle cannot be reached";

// Where the ZeroMQ socket of this manager is. Only the control socket has proved whose it is, so
// only what was said there counts: the socket beside it may be anybody's, since the path of the
// control socket may have led through a link. No other user can put one where it says.
std::string endpoint_of(const IpcAddress& address, const Welcome& told) {
  for (const std::string& text : told.addresses) {
    const auto own = parse_ipc(text);
    if (!own || own->endpoint.empty()) continue;
    const std::string directory = own->control.substr(0, own->control.rfind('/'));
    bool there = false;
    if (const std::string why = objection_to_directory(directory, there); !why.empty()) {
      throw AuthenticationError("the manager at " + address.text + " has its socket in " +
                                directory + ", which " + why);
    }
    if (there) return own->endpoint;
    throw Disconnected("the manager at " + address.text + " has its socket at " + own->text +
                       ", which is not to be seen from here: use tcp between containers");
  }
  throw Disconnected("the manager at " + address.text + " does not say where its socket is");
}

Proof proof_of(const Goal& goal) {
  if (!goal.keys) return {Proof::Kind::address, goal.endpoint};
  const auto& key = goal.keys->server.public_key;
  return {Proof::Kind::key, std::string(key.begin(), key.end())};
}

SessionDriver::Connection dial_local(const IpcAddress& address, core::Deadline deadline) {
  SessionDriver::Connection connection;
  connection.welcome = connect_control(address, deadline);
  connection.transport =
      ClientState::current().dial({endpoint_of(address, connection.welcome), {}});
  connection.proof.kind = Proof::Kind::user;
  return connection;
}

SessionDriver::Connection dial_remote(const Goal& goal) {
  SessionDriver::Connection connection;
  connection.welcome.addresses = {goal.endpoint};
  connection.transport = ClientState::current().dial(goal);
  connection.proof = proof_of(goal);
  return connection;
}

SessionDriverPtr open_session(const SessionDriver::Dial& dial, const TermsPtr& terms,
                              core::Deadline deadline) {
  shm::keep_standard_descriptors();
  auto session = SessionDriver::make(dial(deadline), dial, terms);
  session->establish(deadline);
  return session;
}

// Whoever comes with another key must not find a session that this one has opened.
std::string address_and_key(const Goal& goal) {
  std::string text = goal.endpoint + '\n';
  if (goal.keys) {
    const auto& key = goal.keys->client.public_key;
    text.append(key.begin(), key.end());
  }
  return text;
}

SessionDriverPtr connect_remote(const core::TcpAddress& address, const TermsPtr& terms,
                                core::Deadline deadline) {
  if (address.port == 0) throw BadCall(address.text() + " names no port to connect to");
  const Goal goal{address.text(), terms->keys};
  const auto dial = [&] {
    check_reachable(address, deadline);
    try {
      return open_session([goal](core::Deadline) { return dial_remote(goal); }, terms, deadline);
    } catch (const AuthenticationError&) {
      // To ZeroMQ a wrong key is a connection that was closed before both had met, and so is
      // another one.
      if (takes_connections(address, earliest(deadline, now() + kFirstWord))) throw;
    }
    throw Disconnected("the manager at " + address.text() +
                       " turns connections away: perhaps it has no descriptors left");
  };
  const auto look = [&](SessionDriver& known) {
    check_reachable(address, deadline);
    return known.finds_manager(deadline);
  };
  return ClientState::current().connect(address_and_key(goal), deadline, dial, look);
}

// By the deadline, and in no more time than the terms give.
SessionDriverPtr connect_to(const std::string& text, const TermsPtr& terms,
                            core::Deadline deadline) {
  deadline = earliest(deadline, core::deadline_after(terms->timeout));
  if (const auto remote = core::parse_tcp(text)) return connect_remote(*remote, terms, deadline);
  const auto address = parse_ipc(is_manager_name(text) ? address_of_name(text) : text);
  if (!address) {
    throw BadCall("not a manager's address: \"" + text +
                  "\" (tcp://host:port, ipc:///path of a socket, or a name)");
  }
  if (!is_local(*address)) {
    throw Disconnected("no manager answers at " + text +
                       ": it ran on another host, or before this one was started");
  }
  const auto dial = [&] {
    return open_session([at = *address](core::Deadline until) { return dial_local(at, until); },
                        terms, deadline);
  };
  const auto look = [&](SessionDriver& known) { return known.finds_manager(deadline); };
  return ClientState::current().connect(address->text, deadline, dial, look);
}

// Which sessions will do.
enum class Wanted : std::uint8_t {
  as_dialled,  // with the proof that dialling the address on these terms would give
  any_key,     // likewise; where the terms have no key, one that some key proves is a better one
  decoded,     // likewise, also where the terms have one: they are those of another session
};

// Whether it may have been written by somebody with more proof than that its manager answers: those
// who have no more write tcp addresses only (see SessionDriver::learn_addresses()).
bool names_more_than_tcp(const core::Token& token) {
  return !std::ranges::all_of(token.addresses, [](const std::string& address) {
    return address.starts_with("tcp:");
  });
}

// A known session that does as well as one that would be dialled there.
SessionDriverPtr known_at(const std::string& address, const core::Incarnation& incarnation,
                          const TermsPtr& terms, Wanted wanted) {
  ClientState& state = ClientState::current();
  const auto remote = core::parse_tcp(address);
  if (!remote) return nullptr;
  if (wanted == Wanted::decoded || (wanted == Wanted::any_key && !terms->keys)) {
    if (SessionDriverPtr known = state.find_with_key(incarnation)) return known;
  }
  return state.find(incarnation, proof_of({remote->text(), terms->keys}));
}

// Whether ConnectOptions::allow lets this process use the manager there because a handle that was
// decoded says so. Empty: the handle is the program's own word.
using Allowed = std::function<bool(const std::string& address)>;

// As it is asked for: what is dialled, without the boot. Throws BadCall unless it is an address:
// what a name stands for, the writer of a handle does not know better.
std::string asked_for(const std::string& address) {
  if (const auto remote = core::parse_tcp(address)) return remote->text();
  if (const auto local = parse_ipc(address)) return local->text;
  throw BadCall("'" + address + "' is no address");
}

// Where this process has found the manager of the session.
std::string asked_for(const SessionDriver& session) {
  if (session.proof().kind == Proof::Kind::address) return session.proof().of;
  const bool remote = session.proof().kind == Proof::Kind::key;
  const auto& all = session.addresses();
  const auto first = std::ranges::find_if(all, [&](const std::string& address) {
    return address.starts_with(remote ? "tcp:" : "ipc:");
  });
  return first == all.end() ? std::string() : asked_for(*first);
}

std::string not_allowed(const std::string& address) {
  return "; " + address + " is not allowed (ConnectOptions::allow)";
}

// Tries the addresses in turn, nearest first. What is known already is looked at in that order,
// too: whoever merely says to be this manager must not stand in for one that another address leads
// to.
SessionDriverPtr session_with(const core::Incarnation& incarnation,
                              const std::vector<std::string>& addresses, const TermsPtr& terms,
                              core::Deadline deadline, Wanted wanted,
                              const Allowed& allowed = {}) {
  std::string failures;
  bool thrown = false;  // by what the program was asked
  const auto may_use = [&](const std::string& address) {
    try {
      return !allowed || allowed(address);
    } catch (...) {
      thrown = true;
      throw;
    }
  };
  for (const std::string& address : addresses) {
    try {
      SessionDriverPtr known = known_at(address, incarnation, terms, wanted);
      if (known != nullptr && !allowed) return known;
      if (allowed) {
        const std::string question = known != nullptr ? asked_for(*known) : asked_for(address);
        if (!may_use(question)) {
          failures += not_allowed(question);
          continue;
        }
      }
      if (known != nullptr) return known;
      SessionDriverPtr session = connect_to(address, terms, deadline);
      if (session->incarnation() == incarnation) return session;
      failures += "; another manager is at " + address + " now";
    } catch (const Disconnected& error) {
      if (thrown) throw;
      failures += std::string("; ") + error.what();
    } catch (const AuthenticationError& error) {
      if (thrown || &address == &addresses.back()) throw;
      failures += std::string("; ") + error.what();
    } catch (const BadCall& error) {
      if (thrown) throw;
      failures += std::string("; ") + error.what();
    }
  }
  throw Disconnected(kOutOfReach + failures);
}

// A manager that is proved to run for this user stands for what it says to be, whatever road the
// handle knows, unless its writer had no such proof himself.
SessionDriverPtr session_of_handle(const core::Token& token, const TermsPtr& terms,
                                   core::Deadline deadline, Wanted wanted,
                                   const Allowed& allowed = {}) {
  if (!names_more_than_tcp(token)) {
    wanted = Wanted::as_dialled;
  } else if (auto known = ClientState::current().find(token.incarnation, {Proof::Kind::user})) {
    if (!allowed || allowed(asked_for(*known))) return known;
    throw Disconnected(kOutOfReach + not_allowed(asked_for(*known)));
  }
  return session_with(token.incarnation, token.addresses, terms, deadline, wanted, allowed);
}

// Without a key, and every manager may be dialled.
TermsPtr usual_terms() { return std::make_shared<const Terms>(); }

// For a handle that was decoded: on the terms of the session that it came by.
core::ReferencePtr open_decoded(const UnclaimedReference& reference, core::Deadline deadline) {
  const core::Token& token = reference.token();
  const TermsPtr terms = reference.terms() ? reference.terms() : usual_terms();
  const bool by_session = reference.terms() != nullptr;
  const Allowed allowed = [&](const std::string& address) {
    return by_session ? terms->allows(address) : ClientState::current().everybody_allows(address);
  };
  const SessionDriverPtr session =
      session_of_handle(token, terms, deadline, Wanted::decoded, allowed);
  const bool trusted = reference.writer().vouches_for(session->proof());
  return session->claim(token, deadline, trusted ? ClaimBy::number : ClaimBy::lease);
}

// The reference by which this process uses one that was copied by a fork, or merely decoded.
core::ReferencePtr claimed_here(const core::Reference& reference, core::Deadline deadline) {
  const Claimable* claimable = Claimable::from(reference);
  if (claimable == nullptr) {
    throw BadCall(core::describe(reference.token()) + " is not a reference of this process");
  }
  // Who has no time left would only ask in vain, and perhaps the program, too.
  if (has_passed(deadline)) {
    if (core::ReferencePtr known = ClientState::current().claimed(*claimable)) return known;
    throw TimeoutError(core::describe(reference.token()) + " was not claimed in time");
  }
  return ClientState::current().claimed(*claimable, deadline, [&] {
    if (const ClientReference* own = ClientReference::from(reference)) {
      return own->session()->claim(reference.token(), deadline, ClaimBy::number);
    }
    return open_decoded(static_cast<const UnclaimedReference&>(reference), deadline);
  });
}

}  // namespace

SessionPtr connect(const std::string& address, const ConnectOptions& options) {
  const TermsPtr terms = terms_of(options, {address});
  SessionDriverPtr session = connect_to(address, terms, std::nullopt);
  session->also_on(*terms);
  return keeping<Session>(terms->allow, std::move(session));
}

void leave(SessionPtr session) {
  const auto& driver = static_cast<const SessionDriver&>(*session);
  if (ClientState::current().forget_unused(driver, 1)) session->end(std::chrono::seconds(1));
}

SessionPtr connect_over(std::unique_ptr<Transport> transport, std::string ticket,
                        std::vector<std::string> addresses, const ConnectOptions& options) {
  SessionDriver::Connection connection;
  connection.transport = std::move(transport);
  connection.welcome.ticket = std::move(ticket);
  connection.welcome.addresses = std::move(addresses);
  connection.proof.kind = Proof::Kind::user;
  auto session = SessionDriver::make(std::move(connection), SessionDriver::Dial(),
                                     terms_of(options, {}));
  session->establish(core::deadline_after(options.timeout));
  return session;
}

// By the roads that give the same proof.
SessionPtr ClientState::successor_of(const SessionDriver& session, core::Deadline deadline) {
  if (SessionDriverPtr known = find(session.incarnation(), session.proof())) {
    known->also_on(*session.terms());  // what its parent's handles lead to is still asked for
    return known;
  }
  std::vector<std::string> addresses = session.addresses();
  const bool local = session.proof().kind == Proof::Kind::user;
  std::erase_if(addresses, [&](const std::string& address) {
    return core::parse_tcp(address).has_value() == local;
  });
  // Over tcp the first one is where the parent dialled; others are what its manager says.
  if (!local && addresses.size() > 1) addresses.resize(1);
  return session_with(session.incarnation(), addresses, session.terms(), deadline,
                      Wanted::as_dialled);
}

core::ReferencePtr open_token(const core::Token& token, const ConnectOptions& options,
                              core::Deadline deadline) {
  const TermsPtr terms = terms_of(options, token.addresses);
  const SessionDriverPtr session = session_of_handle(token, terms, deadline, Wanted::any_key);
  session->also_on(*terms);
  return session->claim(token, deadline, ClaimBy::number);
}

core::ReferencePtr unclaimed(core::Token token, const SessionDriver* by) {
  return std::make_shared<const UnclaimedReference>(
      std::move(token), by != nullptr ? by->terms() : nullptr,
      by != nullptr ? by->proof() : Proof());
}

core::ReferencePtr claimed_soon(core::Token token) {
  const Proof program{Proof::Kind::user};
  auto reference =
      std::make_shared<const UnclaimedReference>(std::move(token), usual_terms(), program);
  ClientState::current().claim_soon(reference);
  return reference;
}

SessionPtr session_of(const core::ReferencePtr& reference, core::Deadline deadline) {
  if (reference == nullptr) throw StaleHandle("this proxy is empty: it stands for no object");
  const ClientReference* own = ClientReference::from(*reference);
  if (own != nullptr && !own->session()->inherited()) return own->session();
  return session_of(claimed_here(*reference, deadline), deadline);
}

bool end_copied_hold(const core::ReferencePtr& lock) {
  const ClientReference* copied = lock == nullptr ? nullptr : ClientReference::from(*lock);
  if (copied == nullptr || !copied->session()->inherited()) return false;
  const core::ObjectId object = lock->token().object;
  if (const core::ReferencePtr claimed = ClientState::current().claimed(*copied)) {
    const auto& own = static_cast<const ClientReference&>(*claimed).session();
    if (own->hold(object).depth > 0) return false;
  }
  return copied->session()->end_copied_hold(object);
}

void end_all_sessions(core::Duration wait) { ClientState::current().end_all(wait); }

bool process_ends() noexcept { return is_exiting() || ClientState::current().at_exit(); }

}  // namespace steward::detail::client

void steward::set_interrupt_check(bool (*check)()) {
  detail::core::set_interrupt_check(check);
}
