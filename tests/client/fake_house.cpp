#include <steward/tests/client/fake_house.hpp>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <thread>

#include <zmq.hpp>

#include <steward/client/control_socket.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/writer.hpp>
#include <steward/shm/fd_passing.hpp>
#include <steward/shm/pidfd.hpp>

namespace steward::detail::test {

class FakeHouse::Loop {
 public:
  Loop(FakeManager& manager, std::string directory, Control control)
      : manager_(manager), directory_(std::move(directory)), control_(control),
        notifier_(::eventfd(0, EFD_CLOEXEC)) {
    listen();
    bind();
    thread_ = std::thread([this] { run(); });
  }
  ~Loop() {
    tell(Order::stop);
    thread_.join();
  }

  std::size_t came() const { return came_; }

  enum class Order { none, stop, restart, hang_up, speak, hold_up, send_away };
  // Returns when it is done.
  void tell(Order order) {
    std::unique_lock lock(mutex_);
    order_ = order;
    const std::uint64_t one = 1;
    if (::write(notifier_.get(), &one, sizeof one) < 0) std::abort();
    done_.wait(lock, [this] { return order_ == Order::none; });
  }

 private:
  void listen() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = directory_ + "/" + std::string(client::kControlName);
    std::memcpy(address.sun_path, path.data(), path.size());
    listener_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_.get(), 64) != 0) {
      throw std::runtime_error("cannot listen at " + path);
    }
  }

  void bind() {
    router_ = zmq::socket_t(context_, zmq::socket_type::router);
    router_.set(zmq::sockopt::linger, 0);
    router_.bind("ipc://" + directory_ + "/manager.sock");
    ++generation_;
  }

  void run() {
    for (;;) {
      std::vector<zmq::pollitem_t> items{{router_.handle(), 0, ZMQ_POLLIN, 0},
                                         {nullptr, listener_.get(), ZMQ_POLLIN, 0},
                                         {nullptr, notifier_.get(), ZMQ_POLLIN, 0}};
      zmq::poll(items, std::chrono::milliseconds(-1));
      if (items[0].revents != 0) serve();
      if (items[1].revents != 0) open_control();
      if (items[2].revents != 0 && !obey()) return;
    }
  }

  bool obey() {
    std::uint64_t count;
    if (::read(notifier_.get(), &count, sizeof count) < 0) std::abort();
    const std::lock_guard lock(mutex_);
    const Order order = std::exchange(order_, Order::none);
    if (order == Order::restart) bind();
    if (order == Order::hang_up) peers_.clear();
    if (order == Order::hold_up) holds_up_ = true;
    if (order == Order::send_away) {
      holds_up_ = false;
      held_up_.clear();
    }
    for (const shm::UniqueFd& peer : peers_) {
      if (order == Order::speak) shm::send_with_fds(peer.get(), "unasked");
    }
    done_.notify_all();
    return order != Order::stop;
  }

  void serve() {
    zmq::message_t id;
    zmq::message_t frame;
    while (router_.recv(id, zmq::recv_flags::dontwait)) {
      if (!router_.recv(frame, zmq::recv_flags::dontwait)) return;
      const std::string key = std::to_string(generation_) + id.to_string();
      const auto number = connections_.try_emplace(key, connections_.size()).first->second;
      for (const std::string& answer : manager_.take(number, frame.to_string_view())) {
        zmq::message_t to;
        to.copy(id);
        router_.send(to, zmq::send_flags::sndmore);
        router_.send(zmq::buffer(answer), zmq::send_flags::none);
      }
    }
  }

  static std::string refusal(std::string_view reason) {
    std::string answer;
    core::Writer writer(answer);
    writer.array(3);
    writer.natural(client::kControlVersion);
    writer.nil();
    writer.string(reason);
    return answer;
  }
  void open_control() {
    ++came_;
    shm::UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (control_ == Control::refuses_unheard) {
      pollfd arrived{peer.get(), POLLIN, 0};
      ::poll(&arrived, 1, -1);
      shm::send_with_fds(peer.get(), refusal("it is full"));
      return;
    }
    const auto received = shm::receive_with_fds(peer.get(), client::kControlMessageBytes);
    if (!received.message || control_ == Control::mute) {
      peers_.push_back(std::move(peer));
      return;
    }
    if (holds_up_) return held_up_.push_back(std::move(peer));
    ucred who{};
    socklen_t size = sizeof who;
    ::getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &who, &size);
    const auto& fds = received.message->fds;
    const bool shown = fds.size() == 1 && shm::pid_of(fds.front().get()) == who.pid;
    if (control_ == Control::refuses || !shown) {
      const auto* reason = shown ? "it is closed today" : "no pidfd was shown";
      shm::send_with_fds(peer.get(), refusal(reason));
      return;
    }
    std::string answer;
    core::Writer writer(answer);
    writer.array(4);
    writer.natural(client::kControlVersion);
    writer.bytes(manager_.new_ticket());
    writer.bytes(manager_.incarnation().view());
    writer.array(1);
    writer.string("ipc://" + directory_ + "/manager.sock");
    const pid_t pid = control_ == Control::shows_foreign_pidfd ? ::getppid() : ::getpid();
    shm::send_with_fds(peer.get(), answer, {shm::pidfd_of(pid).get()});
    peers_.push_back(std::move(peer));
  }

  FakeManager& manager_;
  const std::string directory_;
  const Control control_;
  const shm::UniqueFd notifier_;

  std::atomic<std::size_t> came_ = 0;
  std::mutex mutex_;
  std::condition_variable done_;
  Order order_ = Order::none;

  // The thread's.
  zmq::context_t context_;
  zmq::socket_t router_;
  std::uint64_t generation_ = 0;
  shm::UniqueFd listener_;
  std::vector<shm::UniqueFd> peers_;
  bool holds_up_ = false;
  std::vector<shm::UniqueFd> held_up_;
  std::map<std::string, std::uint64_t> connections_;
  std::thread thread_;
};

FakeHouse::FakeHouse(Control control) {
  std::string pattern = std::filesystem::temp_directory_path() / "steward-client-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a directory");
  directory_ = pattern;
  loop_ = std::make_unique<Loop>(manager_, directory_, control);
}

FakeHouse::~FakeHouse() {
  loop_.reset();
  std::filesystem::remove_all(directory_);
}

void FakeHouse::restart_router() { loop_->tell(Loop::Order::restart); }
std::size_t FakeHouse::peers() const { return loop_->came(); }
void FakeHouse::speak_unasked() { loop_->tell(Loop::Order::speak); }
void FakeHouse::hold_up() { loop_->tell(Loop::Order::hold_up); }
void FakeHouse::send_away() { loop_->tell(Loop::Order::send_away); }
void FakeHouse::hang_up() { loop_->tell(Loop::Order::hang_up); }

}  // namespace steward::detail::test
