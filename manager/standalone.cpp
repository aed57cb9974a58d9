#include <steward/manager/standalone.hpp>

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <optional>
#include <set>
#include <utility>

#include <steward/client/address.hpp>
#include <steward/client/names.hpp>
#include <steward/client/reachable.hpp>
#include <steward/client/control_socket.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/tcp_address.hpp>
#include <steward/manager/server/directory.hpp>
#include <steward/process/background.hpp>
#include <steward/shm/pidfd.hpp>
#include <steward/shm/poll.hpp>
#include <steward/shm/socket_path.hpp>

namespace steward::detail::manager {
namespace {

// A manager that lives answers at once, unless it was stopped.
constexpr std::chrono::seconds kAnswerTime{2};
constexpr std::chrono::milliseconds kLookAgain{20};
// What a clock of nanoseconds can say, whatever a manager claims.
constexpr std::uint64_t kLatest = 9'000'000'000'000;

// The kernel knows where all sockets are bound, whatever TMPDIR their managers were given.
void add_bound(std::set<std::string>& directories) {
  std::ifstream sockets("/proc/net/unix");
  for (std::string line; std::getline(sockets, line);) {
    const auto path = line.find(" /");
    if (path == std::string::npos) continue;
    std::string directory = server::directory_around(std::string_view(line).substr(path + 1));
    if (!directory.empty()) directories.insert(std::move(directory));
  }
}

std::string address_in(const std::string& directory) {
  return "ipc://" + directory + "/manager.sock";
}

// Of a silent manager, by the pid beside its socket; empty: it has none that can be told.
std::string name_of(pid_t pid) {
  for (const auto& [name, address] : client::named_addresses()) {
    if (pid != 0 && shm::SocketPath::owner(client::parse_ipc(address)->control) == pid) return name;
  }
  return {};
}

LocalManager described(const client::About& about, const client::IpcAddress& at) {
  LocalManager one;
  one.address = at.text;
  one.silence = about.silence;
  one.pid = about.pid;
  if (!one.silence.empty()) {
    one.name = name_of(one.pid);
    return one;
  }
  if (about.addresses.size() > 1) one.address = about.addresses.back();
  one.name = client::name_in(one.address);
  one.objects = about.objects;
  one.started += std::chrono::milliseconds(std::min(about.started_unix_ms, kLatest));
  return one;
}

}  // namespace

std::string address_for_name(std::string_view name) { return client::new_address_of_name(name); }

std::vector<LocalManager> local_managers() {
  server::sweep_dead_directories();
  std::set<std::string> directories;
  for (const server::Base& base : server::usual_bases()) {
    const std::vector<std::string> found = server::directories_in(base.path);
    directories.insert(found.begin(), found.end());
  }
  add_bound(directories);
  std::vector<client::IpcAddress> sockets;
  for (const std::string& directory : directories) {
    sockets.push_back(*client::parse_ipc(address_in(directory)));
  }
  const std::vector<std::optional<client::About>> answers = client::inquire(sockets, kAnswerTime);
  std::vector<LocalManager> all;
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    if (answers[i]) all.push_back(described(*answers[i], sockets[i]));
  }
  std::ranges::sort(all, {}, &LocalManager::address);
  return all;
}

bool stop(Manager& manager, std::chrono::milliseconds patience) {
  const core::Deadline deadline = core::deadline_after(patience);
  const shm::UniqueFd process = manager.pid() == 0 ? shm::UniqueFd() : shm::pidfd_of(manager.pid());
  ManagerAccess::set_patience(manager, patience);
  try {
    manager.shutdown();
  } catch (const TimeoutError&) {
    return false;
  }
  if (process) return shm::poll_until(process.get(), POLLIN, deadline);
  const auto address = core::parse_tcp(manager.address());
  while (address && !client::is_refused(*address, deadline)) {
    if (std::chrono::steady_clock::now() >= *deadline) return false;
    ::poll(nullptr, 0, static_cast<int>(kLookAgain.count()));
  }
  return true;
}

Answer run_in_background(const std::string& log_file, std::chrono::milliseconds patience,
                         const std::function<void(const Tell& tell)>& work) {
  const std::string said = process::run_in_background(log_file, patience, [&](const auto& say) {
    work([&](const Answer& answer) {
      return say(static_cast<char>('0' + answer.code) + answer.text);
    });
  });
  return {said.at(0) - '0', said.substr(1)};
}

}  // namespace steward::detail::manager
