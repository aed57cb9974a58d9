// A relay between real sockets and a trunk whose far side is the test: what no decent relay says.
#include <steward/client/relay.hpp>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/shm/fd_passing.hpp>
#include <steward/tests/client/seed.hpp>

namespace steward::client {
namespace {

using namespace std::chrono_literals;

// What the test and the relay's trunk have in common.
class FarSide {
 public:
  FarSide() : bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  // ---- The test's ----

  void says(const std::string& route, std::string frame) {
    push({TrunkEvent::Kind::frame, route, std::move(frame)});
  }
  void says(const std::string& route, const TrunkFrame& frame) {
    says(route, encode_frame(frame));
  }
  void leaves(const std::string& route) { push({TrunkEvent::Kind::gone, route, {}}); }
  // Every route that has ever said anything.
  void all_leave() {
    leaves({});
    std::set<std::string> routes;
    {
      const std::lock_guard lock(mutex_);
      routes = routes_;
    }
    for (const std::string& route : routes) leaves(route);
  }
  // From now on the relay cannot send there.
  void lose(const std::string& route) {
    const std::lock_guard lock(mutex_);
    lost_.insert(route);
  }
  // The next frame from the relay for this route; its bytes are good until the next one.
  TrunkFrame hears(const std::string& route) {
    std::unique_lock lock(mutex_);
    const auto find = [&] {
      return std::find_if(said_.begin(), said_.end(),
                          [&](const auto& one) { return one.first == route; });
    };
    if (!heard_.wait_for(lock, 30s, [&] { return find() != said_.end(); })) {
      ADD_FAILURE() << "the relay says nothing";
      return {};
    }
    const auto next = find();
    last_ = std::move(next->second);
    said_.erase(next);
    return decode_frame(last_).value_or(TrunkFrame{});
  }

  // ---- The relay's ----

  int fd() const { return bell_.get(); }
  bool waits() {
    const std::lock_guard lock(mutex_);
    return !events_.empty();
  }
  bool take(TrunkEvent& event) {
    const std::lock_guard lock(mutex_);
    std::uint64_t count;
    [[maybe_unused]] const ssize_t size = ::read(bell_.get(), &count, sizeof count);
    if (events_.empty()) return false;
    event = std::move(events_.front());
    events_.pop_front();
    return true;
  }
  bool put(const std::string& route, std::string_view frame) {
    const std::lock_guard lock(mutex_);
    if (lost_.contains(route)) return false;
    said_.emplace_back(route, frame);
    heard_.notify_all();
    return true;
  }

 private:
  void push(TrunkEvent event) {
    const std::lock_guard lock(mutex_);
    routes_.insert(event.route);
    events_.push_back(std::move(event));
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t size = ::write(bell_.get(), &one, sizeof one);
  }

  const shm::UniqueFd bell_;
  std::mutex mutex_;
  std::condition_variable heard_;
  std::deque<TrunkEvent> events_;
  std::deque<std::pair<std::string, std::string>> said_;
  std::set<std::string> routes_;
  std::set<std::string> lost_;
  std::string last_;
};

class FakeTrunk final : public Trunk {
 public:
  explicit FakeTrunk(std::shared_ptr<FarSide> far)
      : far_(std::move(far)), fds_{{far_->fd(), POLLIN, 0}} {}

  const std::vector<pollfd>& poll_fds() const override { return fds_; }
  bool readable() override { return far_->waits(); }
  bool receive(TrunkEvent& event) override { return far_->take(event); }
  bool send(const std::string& route, std::string_view frame) override {
    return far_->put(route, frame);
  }

 private:
  std::shared_ptr<FarSide> far_;
  std::vector<pollfd> fds_;
};

class RelayTest : public testing::Test {
 protected:
  static constexpr std::size_t kBacklog = 16;

  ~RelayTest() override { join(); }

  void listen() {
    HeldEnds::Pair handoff = ends_.seqpacket_pair();
    accept_ = handoff.user.release();
    run(Relay::of_listener(ends_, std::make_unique<FakeTrunk>(far_), std::move(handoff.relay),
                           kBacklog));
  }
  void dial() {
    HeldEnds::Pair pair = ends_.stream_pair();
    user_ = pair.user.release();
    run(Relay::of_connection(ends_, std::make_unique<FakeTrunk>(far_), std::move(pair.relay)));
  }
  void run(std::unique_ptr<Relay> relay) {
    relay_ = std::move(relay);
    thread_ = std::thread([this] { relay_->run(); });
  }
  void join() {
    if (!thread_.joinable()) return;
    relay_->leave();
    far_->all_leave();
    thread_.join();
  }

  shm::UniqueFd accept(shm::Wait wait = shm::Wait::block) {
    shm::Received received = shm::receive_with_fds(accept_.get(), 1, wait);
    if (!received.message || received.message->fds.size() != 1) return {};
    tell(Relay::kAccepted);
    return std::move(received.message->fds.front());
  }
  void tell(std::string_view word) {
    ASSERT_EQ(::send(accept_.get(), word.data(), word.size(), MSG_NOSIGNAL), 1);
  }
  // A connection by this route, greeted.
  shm::UniqueFd connect(const std::string& route) {
    far_->says(route, {FrameKind::hello, {}, 0});
    EXPECT_EQ(far_->hears(route).kind, FrameKind::welcome);
    return accept();
  }

  static void send(const shm::UniqueFd& user, std::string_view bytes) {
    ASSERT_EQ(::send(user.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // Empty: the end.
  static std::string receive(const shm::UniqueFd& user, std::size_t most = 4096) {
    std::string bytes(most, '\0');
    const ssize_t count = ::recv(user.get(), bytes.data(), bytes.size(), 0);
    bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return bytes;
  }

  const std::shared_ptr<FarSide> far_ = std::make_shared<FarSide>();
  HeldEnds ends_;
  shm::UniqueFd accept_;
  shm::UniqueFd user_;
  std::unique_ptr<Relay> relay_;
  std::thread thread_;
};

TEST_F(RelayTest, CarriesBytesBothWaysAndSaysWhatItTook) {
  dial();
  send(user_, "there");
  EXPECT_EQ(far_->hears({}).bytes, "there");
  far_->says({}, {FrameKind::data, "back", 0});
  EXPECT_EQ(receive(user_), "back");
  const TrunkFrame taken = far_->hears({});
  EXPECT_EQ(taken.kind, FrameKind::taken);
  EXPECT_EQ(taken.count, 4 + Channel::kFrameCost);
}

TEST_F(RelayTest, EndsWhenBothSidesHaveEnded) {
  dial();
  send(user_, "last");
  user_.reset();
  EXPECT_EQ(far_->hears({}).bytes, "last");
  EXPECT_EQ(far_->hears({}).kind, FrameKind::end);
  far_->says({}, {FrameKind::end, {}, 0});
  thread_.join();
}

TEST_F(RelayTest, AnswersTheEndOnceItsUserHasEverything) {
  dial();
  far_->says({}, {FrameKind::data, "last", 0});
  far_->says({}, {FrameKind::end, {}, 0});
  EXPECT_EQ(far_->hears({}).kind, FrameKind::taken);
  EXPECT_EQ(far_->hears({}).kind, FrameKind::end);
  EXPECT_EQ(receive(user_), "last");
  EXPECT_EQ(receive(user_), "");
  thread_.join();
}

TEST_F(RelayTest, ABrokenTrunkIsTheEndAfterWhatCame) {
  dial();
  far_->says({}, {FrameKind::data, "last", 0});
  far_->leaves({});
  EXPECT_EQ(receive(user_), "last");
  EXPECT_EQ(receive(user_), "");
  thread_.join();
}

TEST_F(RelayTest, ATrunkThatTakesNothingMoreIsTheEnd) {
  dial();
  far_->lose({});
  send(user_, "nobody hears this");
  EXPECT_EQ(receive(user_), "");
  thread_.join();
}

TEST_F(RelayTest, HandsNewConnectionsOver) {
  listen();
  const shm::UniqueFd a = connect("a");
  const shm::UniqueFd b = connect("b");
  send(a, "from a");
  send(b, "from b");
  EXPECT_EQ(far_->hears("b").bytes, "from b");
  EXPECT_EQ(far_->hears("a").bytes, "from a");
  far_->says("b", {FrameKind::data, "to b", 0});
  EXPECT_EQ(receive(b), "to b");
}

TEST_F(RelayTest, WithoutAHelloNothingIsAConnection) {
  listen();
  far_->says("stranger", {FrameKind::data, "boo", 0});
  far_->says("stranger", {FrameKind::end, {}, 0});
  far_->says("stranger", std::string("\xc1garbage"));
  far_->says("stranger", std::string());
  const shm::UniqueFd a = connect("a");
  send(a, "x");
  EXPECT_EQ(far_->hears("a").bytes, "x");
}

TEST_F(RelayTest, WhatMakesNoSenseEndsItsConnectionAndNoOther) {
  const std::vector<std::string> senseless{
      "", "garbage", encode_frame({FrameKind::hello, {}, 0}),
      encode_frame({FrameKind::welcome, {}, 0}), encode_frame({FrameKind::refused, "x", 0}),
      encode_frame({FrameKind::taken, {}, 1}), encode_frame({FrameKind::taken, {}, ~0ULL}),
      encode_frame({FrameKind::data, std::string(Channel::kChunk + 1, 'x'), 0})};
  listen();
  const shm::UniqueFd good = connect("good");
  for (const std::string& frame : senseless) {
    const shm::UniqueFd bad = connect("bad");
    far_->says("bad", frame);
    EXPECT_EQ(receive(bad), "") << testing::PrintToString(frame);
    EXPECT_EQ(far_->hears("bad").kind, FrameKind::end);
  }
  far_->says("good", {FrameKind::data, "still", 0});
  EXPECT_EQ(receive(good), "still");
}

TEST_F(RelayTest, APeerThatSendsMoreThanTheWindowIsCutOff) {
  listen();
  const shm::UniqueFd bad = connect("bad");
  const std::string chunk(Channel::kChunk, 'x');
  for (int i = 0; i < 100; ++i) far_->says("bad", {FrameKind::data, chunk, 0});
  TrunkFrame frame = far_->hears("bad");
  std::string all;
  for (;;) {
    const std::string bytes = receive(bad, 1U << 20U);
    if (bytes.empty()) break;
    all += bytes;
  }
  EXPECT_LT(all.size(), 100 * Channel::kChunk);
  while (frame.kind == FrameKind::taken) frame = far_->hears("bad");
  EXPECT_EQ(frame.kind, FrameKind::end);
}

TEST_F(RelayTest, NoMoreIsSentThanThePeerTakes) {
  dial();
  std::thread writer([&] {
    const std::string bytes(3 * Channel::kWindow, 'x');
    send(user_, bytes);
  });
  std::uint64_t all = 0;
  std::uint64_t held = 0;
  while (all < 3 * Channel::kWindow) {
    const TrunkFrame frame = far_->hears({});
    ASSERT_EQ(frame.kind, FrameKind::data);
    all += frame.bytes.size();
    held += frame.bytes.size() + Channel::kFrameCost;
    EXPECT_LE(held, Channel::kWindow + Channel::kChunk + Channel::kFrameCost);
    if (held < Channel::kWindow) continue;
    far_->says({}, {FrameKind::taken, {}, held});
    held = 0;
  }
  writer.join();
}

TEST_F(RelayTest, WhoIsNotAcceptedIsToldSo) {
  listen();
  const auto answer = [this](const std::string& route) {
    far_->says(route, {FrameKind::hello, {}, 0});
    return far_->hears(route);
  };
  for (std::size_t i = 0; i < kBacklog; ++i) {
    EXPECT_EQ(answer(std::to_string(i)).kind, FrameKind::welcome);
  }
  const TrunkFrame refused = answer("one too many");
  EXPECT_EQ(refused.kind, FrameKind::refused);
  EXPECT_EQ(refused.bytes, "too many wait to be accepted");
  accept();
  while (answer("again").kind == FrameKind::refused) {
  }
}

TEST_F(RelayTest, WithoutAListenerItGoesOnForItsConnectionsAndThenEnds) {
  listen();
  const shm::UniqueFd a = connect("a");
  tell(Relay::kEnough);
  pollfd hung_up{accept_.get(), 0, 0};
  EXPECT_EQ(::poll(&hung_up, 1, 30'000), 1);
  far_->says("b", {FrameKind::hello, {}, 0});
  EXPECT_EQ(far_->hears("b").kind, FrameKind::end);
  far_->says("a", {FrameKind::data, "still", 0});
  EXPECT_EQ(receive(a), "still");
  far_->leaves("a");
  thread_.join();
}

TEST_F(RelayTest, LeavingSaysWhatUsersHadSent) {
  listen();
  const shm::UniqueFd a = connect("a");
  send(a, "last");
  relay_->leave();
  TrunkFrame frame = far_->hears("a");
  EXPECT_EQ(frame.bytes, "last");
  EXPECT_EQ(far_->hears("a").kind, FrameKind::end);
  far_->says("a", {FrameKind::end, {}, 0});
  thread_.join();
}

TEST_F(RelayTest, SurvivesAStorm) {
  std::mt19937_64 random(test::seed());
  listen();
  std::vector<shm::UniqueFd> users;
  for (int step = 0; step < 5000; ++step) {
    const std::string route = std::to_string(random() % 8);
    switch (random() % 8) {
      case 0: far_->says(route, {FrameKind::hello, {}, 0}); break;
      case 1: far_->says(route, {FrameKind::end, {}, 0}); break;
      case 2: far_->leaves(route); break;
      case 3: far_->says(route, {FrameKind::taken, {}, random() % 2000}); break;
      case 4: far_->says(route, std::string(random() % 5, '\x93')); break;
      default:
        far_->says(route, {FrameKind::data, std::string(random() % 2000, 'x'), 0});
    }
    if (shm::UniqueFd user = accept(shm::Wait::none)) users.push_back(std::move(user));
    if (users.empty()) continue;
    const shm::UniqueFd& user = users[random() % users.size()];
    char bytes[500]{};
    switch (random() % 4) {
      case 0: ::send(user.get(), bytes, sizeof bytes, MSG_NOSIGNAL | MSG_DONTWAIT); break;
      case 1: ::recv(user.get(), bytes, sizeof bytes, MSG_DONTWAIT); break;
      case 2: users.erase(users.begin()); break;
      default: break;
    }
  }
  users.clear();
  for (int route = 0; route < 8; ++route) far_->leaves(std::to_string(route));
  const shm::UniqueFd good = [&] {
    shm::UniqueFd last;
    far_->says("good", {FrameKind::hello, {}, 0});
    while (far_->hears("good").kind != FrameKind::welcome) {
      users.push_back(accept(shm::Wait::none));  // too many wait
      far_->says("good", {FrameKind::hello, {}, 0});
    }
    users.clear();
    far_->says("good", {FrameKind::data, "hello", 0});
    for (;;) {
      last = accept();
      pollfd entry{last.get(), POLLIN, 0};
      std::string text(5, '\0');
      if (::poll(&entry, 1, 5000) == 1 &&
          ::recv(last.get(), text.data(), 5, MSG_PEEK | MSG_WAITALL) == 5 && text == "hello") {
        return last;
      }
    }
  }();
  EXPECT_EQ(receive(good), "hello");
  far_->leaves("good");
}

}  // namespace
}  // namespace steward::client
