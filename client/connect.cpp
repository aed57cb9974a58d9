// How a session comes about: by an address, a token, a reference, or a transport.
#include <unistd.h>

#include <utility>

#include <steward/client/address.hpp>
#include <steward/client/client_reference.hpp>
#include <steward/client/names.hpp>
#include <steward/client/reachable.hpp>
#include <steward/client/reference.hpp>
#include <steward/client/side_door.hpp>
#include <steward/client/state.hpp>
#include <steward/core/auth_key.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/tcp_address.hpp>
#include <steward/shm/standard_descriptors.hpp>

namespace steward::client {
namespace {

using LiveSessionPtr = State::LiveSessionPtr;

// A manager whose door stands by itself says where its ZeroMQ socket is, as handles carry it.
std::string endpoint_of(const IpcAddress& address, const Introduction& told) {
  if (!address.endpoint.empty()) return address.endpoint;
  for (const std::string& text : told.addresses) {
    const auto own = parse_ipc(text);
    if (!own || own->endpoint.empty()) continue;
    if (::access(own->door.c_str(), F_OK) == 0) return own->endpoint;
    throw Disconnected("the manager at " + address.text + " has its socket at " + own->text +
                       ", which is not to be seen from here: use tcp between containers");
  }
  throw Disconnected("the manager at " + address.text + " does not say where its socket is");
}

LiveSession::Connection dial_local(const IpcAddress& address, core::Deadline deadline) {
  LiveSession::Connection connection;
  connection.introduction = knock(address, deadline);
  connection.transport =
      State::current().dial({endpoint_of(address, connection.introduction), {}});
  return connection;
}

LiveSession::Connection dial_remote(const Goal& goal) {
  LiveSession::Connection connection;
  connection.introduction.addresses = {goal.endpoint};
  connection.transport = State::current().dial(goal);
  return connection;
}

LiveSessionPtr open_session(const LiveSession::Dial& dial, const ConnectOptions& options) {
  shm::keep_standard_descriptors();
  const core::Deadline deadline = core::deadline_after(options.timeout);
  auto session = std::make_shared<LiveSession>(dial(deadline), dial, options);
  session->establish(deadline);
  return session;
}

LiveSessionPtr connect_remote(const core::TcpAddress& address, const ConnectOptions& options) {
  if (address.port == 0) throw BadCall(address.text() + " names no port to connect to");
  Goal goal{address.text(), {}};
  if (!options.key.empty()) goal.keys = core::derive_key_pairs(options.key);
  // Whoever comes with another key must not find a door that this one has opened.
  return State::current().connect(goal.endpoint + '\n' + options.key, [&] {
    check_reachable(address, core::deadline_after(options.timeout));
    return open_session([goal](core::Deadline) { return dial_remote(goal); }, options);
  });
}

LiveSessionPtr connect_to(const std::string& text, const ConnectOptions& options) {
  if (const auto remote = core::parse_tcp(text)) return connect_remote(*remote, options);
  const auto address = parse_ipc(is_manager_name(text) ? address_of_name(text) : text);
  if (!address) {
    throw BadCall("not a manager's address: \"" + text +
                  "\" (tcp://host:port, ipc:///path of a socket, or a name)");
  }
  if (!is_local(*address)) {
    throw Disconnected("no manager answers at " + text +
                       ": it ran on another host, or before this one was started");
  }
  return State::current().connect(address->text, [&] {
    return open_session([at = *address](core::Deadline until) { return dial_local(at, until); },
                        options);
  });
}

// Tries the addresses in turn, nearest first.
LiveSessionPtr session_with(const core::Incarnation& incarnation,
                            const std::vector<std::string>& addresses,
                            const ConnectOptions& options) {
  if (LiveSessionPtr known = State::current().find(incarnation)) return known;
  std::string failures;
  for (const std::string& address : addresses) {
    try {
      LiveSessionPtr session = connect_to(address, options);
      if (session->incarnation() == incarnation) return session;
      failures += "; another manager is at " + address + " now";
    } catch (const Disconnected& error) {
      failures += std::string("; ") + error.what();
    } catch (const AuthenticationError& error) {
      if (&address == &addresses.back()) throw;
      failures += std::string("; ") + error.what();
    } catch (const BadCall& error) {
      failures += std::string("; ") + error.what();
    }
  }
  throw Disconnected("the manager of this handle cannot be reached" + failures);
}

}  // namespace

SessionPtr connect(const std::string& address, const ConnectOptions& options) {
  return connect_to(address, options);
}

void leave(SessionPtr session) {
  if (State::current().forget_unused(session)) session->end(std::chrono::seconds(1));
}

SessionPtr connect_over(std::unique_ptr<Transport> transport, std::string ticket,
                        std::vector<std::string> addresses, const ConnectOptions& options) {
  LiveSession::Connection connection;
  connection.transport = std::move(transport);
  connection.introduction.ticket = std::move(ticket);
  connection.introduction.addresses = std::move(addresses);
  auto session =
      std::make_shared<LiveSession>(std::move(connection), LiveSession::Dial(), options);
  session->establish(core::deadline_after(options.timeout));
  return session;
}

SessionPtr State::session_for(const core::Incarnation& incarnation,
                              const std::vector<std::string>& addresses,
                              const ConnectOptions& options) {
  return session_with(incarnation, addresses, options);
}

core::ReferencePtr open_token(const core::Token& token, const ConnectOptions& options) {
  return session_with(token.incarnation, token.addresses, options)->claim(token);
}

SessionPtr session_of(const core::ReferencePtr& reference) {
  if (reference == nullptr) throw StaleHandle("this proxy is empty: it stands for no object");
  const ClientReference* own = ClientReference::from(*reference);
  if (own != nullptr && !own->session()->inherited()) return own->session();
  State& state = State::current();
  core::ReferencePtr claimed = state.bound(reference);
  if (claimed == nullptr) {
    claimed = own != nullptr ? own->session()->claim(reference->token())
                             : open_token(reference->token());
    state.bind(reference, claimed);
  }
  return static_cast<const ClientReference&>(*claimed).session();
}

bool end_copied_hold(const core::ReferencePtr& lock) {
  const ClientReference* copied = lock == nullptr ? nullptr : ClientReference::from(*lock);
  if (copied == nullptr || !copied->session()->inherited()) return false;
  const core::ObjectId object = lock->token().object;
  if (const core::ReferencePtr claimed = State::current().bound(lock)) {
    const auto& own = static_cast<const ClientReference&>(*claimed).session();
    if (own->hold(object).depth > 0) return false;
  }
  return copied->session()->end_copied_hold(object);
}

void end_all_sessions(core::Duration wait) { State::current().end_all(wait); }

}  // namespace steward::client
