// The round trip of one call (a dict get) beside a bare ZeroMQ ROUTER echo over the same transport,
// in one run, and where the difference goes: the echo is measured in steps that add, one at a time,
// what the library does around ZeroMQ.
//
//   round_trip [rounds] [calls a round]
//
// Peers are interleaved; medians with quartiles. Prints a table and, with --json, JSON.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <steward/steward.hpp>
#include <zmq.h>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kFrame = 48;  // about what a dict get sends

// How an end waits for its socket: in zmq_recv, or in poll() on ZMQ_FD and an eventfd as the
// library must, so that other threads and descriptors can wake it.
enum class Waiting : int { receive, poll };

void wait_readable(void* socket, int event_fd) {
  int fd = -1;
  std::size_t size = sizeof fd;
  zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
  for (;;) {
    int events = 0;
    size = sizeof events;
    zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size);
    if ((events & ZMQ_POLLIN) != 0) return;
    std::array<pollfd, 2> fds{{{fd, POLLIN, 0}, {event_fd, POLLIN, 0}}};
    poll(fds.data(), fds.size(), -1);
  }
}

// Echoes until an empty message comes.
void echo(std::string address, int waiting) {
  void* context = zmq_ctx_new();
  void* router = zmq_socket(context, ZMQ_ROUTER);
  if (zmq_bind(router, address.c_str()) != 0) std::perror("bind");
  const int event_fd = eventfd(0, EFD_CLOEXEC);
  std::array<char, 256> route;
  std::array<char, 4096> data;
  for (;;) {
    if (waiting == static_cast<int>(Waiting::poll)) wait_readable(router, event_fd);
    const int route_size = zmq_recv(router, route.data(), route.size(), 0);
    const int size = zmq_recv(router, data.data(), data.size(), 0);
    if (route_size < 0 || size <= 0) break;
    zmq_send(router, route.data(), static_cast<std::size_t>(route_size), ZMQ_SNDMORE);
    zmq_send(router, data.data(), static_cast<std::size_t>(size), 0);
  }
  close(event_fd);
  zmq_close(router);
  zmq_ctx_term(context);
}

class EchoPeer {
 public:
  EchoPeer(const std::string& address, Waiting client, Waiting server)
      : waiting_(client), process_({.name = "echo", .daemon = true}, echo, address,
                                   static_cast<int>(server)) {
    process_.start();
    context_ = zmq_ctx_new();
    dealer_ = zmq_socket(context_, ZMQ_DEALER);
    zmq_connect(dealer_, address.c_str());
    event_fd_ = eventfd(0, EFD_CLOEXEC);
    round_trip();
  }
  EchoPeer(const EchoPeer&) = delete;
  EchoPeer& operator=(const EchoPeer&) = delete;
  ~EchoPeer() {
    zmq_send(dealer_, "", 0, 0);
    process_.join();
    close(event_fd_);
    zmq_close(dealer_);
    zmq_ctx_term(context_);
  }

  void round_trip() {
    std::array<char, 4096> buffer{};
    zmq_send(dealer_, buffer.data(), kFrame, 0);
    if (waiting_ == Waiting::poll) wait_readable(dealer_, event_fd_);
    zmq_recv(dealer_, buffer.data(), buffer.size(), 0);
  }

 private:
  Waiting waiting_;
  steward::Process process_;
  void* context_ = nullptr;
  void* dealer_ = nullptr;
  int event_fd_ = -1;
};

struct Row {
  std::string name;
  std::function<void()> once;
  std::vector<double> micros = {};  // of each round
};

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown CPU";
}

}  // namespace

int main(int argc, char** argv) {
  const bool json = argc > 1 && std::strcmp(argv[argc - 1], "--json") == 0;
  if (json) --argc;
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 9;
  const int calls = argc > 2 ? std::atoi(argv[2]) : 3000;

  steward::Manager manager;
  auto ages = manager.dict<std::string, int>({{"ada", 36}});
  std::string directory = (std::getenv("TMPDIR") != nullptr ? std::getenv("TMPDIR") : "/tmp");
  directory += "/steward-bench-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) {
    std::perror("mkdtemp");
    return 1;
  }
  std::vector<Row> rows;
  {
    EchoPeer plain("ipc://" + directory + "/a", Waiting::receive, Waiting::receive);
    EchoPeer polled("ipc://" + directory + "/b", Waiting::poll, Waiting::receive);
    EchoPeer both("ipc://" + directory + "/c", Waiting::poll, Waiting::poll);
    rows.push_back({"ZeroMQ echo", [&] { plain.round_trip(); }});
    rows.push_back({"  client polls ZMQ_FD", [&] { polled.round_trip(); }});
    rows.push_back({"  both ends poll", [&] { both.round_trip(); }});
    rows.push_back({"dict get", [&] { static_cast<void>(ages.at("ada")); }});
    rows.push_back({"dict set", [&] { ages.set("ada", 36); }});
    for (int round = 0; round < rounds; ++round) {
      for (Row& row : rows) {
        const auto start = Clock::now();
        for (int i = 0; i < calls; ++i) row.once();
        const std::chrono::duration<double, std::micro> took = Clock::now() - start;
        row.micros.push_back(took.count() / calls);
      }
    }
  }
  rmdir(directory.c_str());

  const double base = quantile(rows[0].micros, 0.5);
  if (json) {
    std::printf("{\"cpu\": \"%s\", \"rounds\": %d, \"calls\": %d, \"rows\": [", cpu_name().c_str(),
                rounds, calls);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Row& row = rows[i];
      std::printf("%s{\"name\": \"%s\", \"median_us\": %.2f, \"ratio\": %.3f}", i > 0 ? ", " : "",
                  row.name.c_str() + row.name.find_first_not_of(' '), quantile(row.micros, 0.5),
                  quantile(row.micros, 0.5) / base);
    }
    std::printf("]}\n");
    return 0;
  }
  std::printf("%s, %d rounds of %d calls\n%-24s %10s %20s %8s\n", cpu_name().c_str(), rounds, calls,
              "round trip", "median us", "quartiles us", "ratio");
  for (const Row& row : rows) {
    std::printf("%-24s %10.2f %9.2f .. %7.2f %8.2f\n", row.name.c_str(), quantile(row.micros, 0.5),
                quantile(row.micros, 0.25), quantile(row.micros, 0.75),
                quantile(row.micros, 0.5) / base);
  }
  return 0;
}
