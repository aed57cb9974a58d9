#include <steward/client/control_socket.hpp>
#include <steward/client/ring.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <steward/client/names.hpp>
#include <steward/client/unix_socket.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/limits.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/writer.hpp>
#include <steward/shm/fd_passing.hpp>
#include <steward/shm/pidfd.hpp>

namespace steward::detail::client {
namespace {

shm::UniqueFd connect_to(const IpcAddress& address, core::Deadline deadline) {
  int error = 0;
  shm::UniqueFd socket = connect_unix(address.control, SOCK_SEQPACKET, deadline, error);
  if (socket) return socket;
  // What a killed one has left there.
  if (const std::string name = name_in(address.text); !name.empty() && error == ECONNREFUSED) {
    throw NobodyThere("no manager named '" + name + "' is running");
  }
  const std::string text = "no manager answers at " + address.text + ": " +
                           (error == EPROTOTYPE ? "the socket there is another program's"
                                                : std::generic_category().message(error));
  if (error == ENOENT || error == ECONNREFUSED) throw NobodyThere(text);
  throw Disconnected(text);
}

ucred peer_behind(const shm::UniqueFd& socket) {
  const auto peer = peer_of(socket.get());
  if (!peer) {
    throw AuthenticationError(
        "the kernel does not say who stands behind the manager's control socket");
  }
  return *peer;
}

std::string word_message(std::string_view word) {
  std::string message;
  core::Writer writer(message);
  writer.array(2);
  writer.natural(kControlVersion);
  writer.string(word);
  return message;
}

std::vector<std::string> read_addresses(core::Reader& reader) {
  std::vector<std::string> addresses;
  const std::size_t count = reader.array();
  for (std::size_t i = 0; i < count && i < core::kAddressesInToken; ++i) {
    addresses.emplace_back(reader.string());
  }
  return addresses;
}

[[noreturn]] void refused(const std::string& path, std::string_view reason) {
  throw Disconnected("the manager at " + path + " refused: " + std::string(reason));
}

Welcome read_answer(std::string_view bytes, const std::string& path) {
  core::Reader reader(bytes);
  const std::size_t fields = reader.array();
  if (fields < 3 || reader.natural() != kControlVersion) {
    throw Disconnected("the manager at " + path + " speaks another version of the control socket");
  }
  if (reader.nil_if_next()) refused(path, reader.string());
  Welcome answer;
  answer.ticket = reader.bytes();
  const auto incarnation = core::Incarnation::from(reader.bytes());
  if (!incarnation) throw BadCall("malformed message: an incarnation is not 16 bytes");
  answer.incarnation = *incarnation;
  answer.addresses = read_addresses(reader);
  return answer;
}

std::string ring_message(core::ObjectId object) {
  std::string message;
  core::Writer writer(message);
  writer.array(3);
  writer.natural(kControlVersion);
  writer.string(kRingWord);
  writer.natural(core::number(object));
  return message;
}

// One connection to a manager's control socket, until it is used up or kept by a session.
struct Visit {
  std::string path;  // as it was given
  shm::UniqueFd control;
  ucred peer{};

  Visit(const IpcAddress& address, core::Deadline deadline)
      : path(address.text), control(connect_to(address, deadline)), peer(peer_behind(control)) {
    if (peer.uid == ::geteuid()) return;
    throw AuthenticationError("the manager at " + path + " belongs to user " +
                              std::to_string(peer.uid) + ", not to this one");
  }

  void say(std::string_view question, const std::vector<int>& fds = {}) const {
    try {
      shm::send_with_fds(control.get(), question, fds);
    } catch (const std::system_error& error) {
      // Turned away before it was heard: the reason is there to be read.
      if (error.code().value() != EPIPE) throw;
    }
  }

  shm::FdMessage hear(core::Deadline deadline) const {
    if (!wait_readable(control.get(), deadline)) {
      throw Disconnected("the manager at " + path + " does not answer, pid " +
                         std::to_string(peer.pid));
    }
    shm::Received received = shm::receive_with_fds(control.get(), kControlMessageBytes);
    if (!received.message) throw Disconnected("the manager at " + path + " hung up");
    return *std::move(received.message);
  }

  shm::FdMessage ask(std::string_view question, const std::vector<int>& fds,
                     core::Deadline deadline) const {
    say(question, fds);
    return hear(deadline);
  }
};

// The manager must be the process that the kernel says it is.
void check_pidfd(const Visit& visit, const std::vector<shm::UniqueFd>& fds) {
  const std::string manager = "the manager at " + visit.path;
  const int pidfd = fds.size() == 1 ? fds.front().get() : -1;
  const std::string objection =
      shm::objection_to(pidfd, visit.peer.pid, manager, "this process");
  if (objection.empty()) return;
  if (visit.peer.pid <= 0) throw Disconnected(objection);
  throw AuthenticationError(objection);
}

// Runs `talk` and gives what goes wrong the name of the manager.
template <class F>
auto talking_to(const std::string& path, F talk) {
  try {
    return talk();
  } catch (const std::system_error& error) {
    throw Disconnected("the manager at " + path + " cannot be talked to: " + error.what());
  } catch (const BadCall& error) {
    throw Disconnected("the manager at " + path + " gave a senseless answer: " + error.what());
  }
}

About read_about(const Visit& visit, core::Deadline deadline) {
  const shm::FdMessage message = visit.hear(deadline);
  core::Reader reader(message.bytes);
  const std::size_t fields = reader.array();
  if (fields < 3 || reader.natural() != kControlVersion) throw BadCall("another version");
  if (reader.nil_if_next()) refused(visit.path, reader.string());
  if (fields < 5 || reader.string() != kAboutWord) throw BadCall("another version");
  About about;
  about.pid = visit.peer.pid;
  about.started_unix_ms = reader.natural();
  about.objects = reader.natural();
  about.addresses = read_addresses(reader);
  return about;
}

}  // namespace

Welcome connect_control(const IpcAddress& address, core::Deadline deadline) {
  Visit visit(address, deadline);
  return talking_to(visit.path, [&] {
    const shm::UniqueFd own_pidfd = shm::pidfd_of(::getpid());
    auto [bytes, fds] = visit.ask(word_message(kConnectWord), {own_pidfd.get()}, deadline);
    Welcome answer = read_answer(bytes, visit.path);
    check_pidfd(visit, fds);
    answer.control = std::move(visit.control);
    answer.server = std::move(fds.front());
    answer.pid = visit.peer.pid;
    return answer;
  });
}

std::vector<std::optional<About>> inquire(const std::vector<IpcAddress>& addresses,
                                          core::Duration patience) {
  const core::Time start = now();
  std::vector<std::optional<Visit>> visits(addresses.size());
  std::vector<std::optional<About>> all(addresses.size());
  const auto attempt = [&](std::size_t i, auto step) {
    try {
      talking_to(addresses[i].text, step);
    } catch (const NobodyThere&) {
      // as all[i] says
    } catch (const Interrupted&) {
      throw;
    } catch (const Error& error) {
      all[i].emplace().silence = error.what();
      if (visits[i]) all[i]->pid = visits[i]->peer.pid;
    }
  };
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    attempt(i, [&] {
      // One whose backlog is full must not use up the time of all.
      visits[i].emplace(addresses[i], start + patience / 2);
      visits[i]->say(word_message(kAboutWord));
    });
  }
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (!visits[i] || all[i]) continue;
    attempt(i, [&] { all[i] = read_about(*visits[i], start + patience); });
  }
  return all;
}

shm::UniqueFd request_ring(const IpcAddress& address, core::ObjectId object,
                           core::Deadline deadline) {
  Visit visit(address, deadline);
  return talking_to(visit.path, [&] {
    auto [bytes, fds] = visit.ask(ring_message(object), {}, deadline);
    core::Reader reader(bytes);
    const std::size_t fields = reader.array();
    if (fields < 3 || reader.natural() != kControlVersion) throw BadCall("another version");
    if (reader.nil_if_next()) {
      const std::string reason(reader.string());
      if (fields > 3 && reader.boolean()) return shm::UniqueFd();
      throw Overloaded("the manager at " + visit.path + " has no ring now: " + reason);
    }
    if (reader.string() != kRingWord || fds.size() != 1) throw BadCall("no ring");
    return std::move(fds.front());
  });
}

}  // namespace steward::detail::client
