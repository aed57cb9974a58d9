#include <steward/manager/server/listener_zap.hpp>

#include <chrono>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include <zmq_addon.hpp>

#include <steward/core/auth_entrance.hpp>
#include <steward/core/own_threads.hpp>

namespace steward::detail::server {
namespace {

constexpr const char* kQuestions = "inproc://zeromq.zap.01";
constexpr const char* kEnd = "inproc://steward-zap-end";

void answer(zmq::socket_t& socket, const std::vector<zmq::message_t>& question,
            const std::array<std::uint8_t, 32>& client) {
  std::vector<std::string_view> frames;
  for (const zmq::message_t& frame : question) frames.push_back(frame.to_string_view());
  const auto words = core::answer_zap(frames, client);
  for (const std::string_view& word : words) {
    const bool last = &word == &words.back();
    socket.send(zmq::buffer(word), last ? zmq::send_flags::none : zmq::send_flags::sndmore);
  }
}

// Until a word comes through `end`.
void serve(zmq::socket_t questions, zmq::socket_t end, const std::array<std::uint8_t, 32>& client) {
  std::vector<zmq::pollitem_t> items{{questions.handle(), 0, ZMQ_POLLIN, 0},
                                     {end.handle(), 0, ZMQ_POLLIN, 0}};
  for (;;) {
    zmq::poll(items, std::chrono::milliseconds(-1));
    if ((items[1].revents & ZMQ_POLLIN) != 0) return;
    std::vector<zmq::message_t> question;
    if (!zmq::recv_multipart(questions, std::back_inserter(question))) continue;
    answer(questions, question, client);
  }
}

}  // namespace

ZapGate::ZapGate(zmq::context_t& context, const std::array<std::uint8_t, 32>& client)
    : end_(context, zmq::socket_type::pair) {
  zmq::socket_t questions(context, zmq::socket_type::rep);
  zmq::socket_t end(context, zmq::socket_type::pair);
  for (zmq::socket_t* socket : {&questions, &end, &end_}) socket->set(zmq::sockopt::linger, 0);
  questions.bind(kQuestions);
  end_.bind(kEnd);
  end.connect(kEnd);
  thread_ = core::start_own_thread(
      "steward-zap",
      [client, questions = std::move(questions), end = std::move(end)]() mutable {
        serve(std::move(questions), std::move(end), client);
      });
}

void ZapGate::stop() {
  if (!thread_.joinable()) return;
  end_.send(zmq::str_buffer("end"), zmq::send_flags::none);
  thread_.join();
  end_.close();
}

}  // namespace steward::detail::server
