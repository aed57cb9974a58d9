#include <steward/pipe/arriving.hpp>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <utility>

#include <steward/client/client_reference.hpp>
#include <steward/client/proof.hpp>
#include <steward/client/reference.hpp>

namespace steward::detail::pipe {
namespace {

// Of the ends of a socket pair neither has a name. Where somebody has connected, one of them does.
template <class GetName>
bool is_nameless(int socket, GetName get_name) {
  sockaddr_un name{};
  socklen_t size = sizeof name;
  return get_name(socket, reinterpret_cast<sockaddr*>(&name), &size) == 0 &&
         name.sun_family == AF_UNIX && size <= offsetof(sockaddr_un, sun_path);
}

bool is_of_a_pair(int socket) {
  return is_nameless(socket, ::getsockname) && is_nameless(socket, ::getpeername);
}

// As the kernel says. (Of a TCP socket it says nobody.)
bool is_of_this_user(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         peer.uid == ::geteuid();
}

}  // namespace

core::ReferencePtr Arriving::incoming(core::Token token) {
  if (is_of_a_pair(socket_)) return std::make_shared<const core::Reference>(std::move(token));
  if (!is_of_this_user(socket_)) return client::unclaimed(std::move(token));
  const client::Proof writer{client::Proof::Kind::user};
  return std::make_shared<const client::UnclaimedReference>(std::move(token), nullptr, writer);
}

}  // namespace steward::detail::pipe
