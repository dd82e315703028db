// One fit by Stan's own ADVI or Pathfinder, with the defaults of its command line: driver DATA.json METHOD SEED, METHOD being
// meanfield, fullrank or pathfinder. Prints seconds of the fit and mean and sd of every parameter over the draws, as JSON.
// The model is what stanc makes of a .stan file, given as MODEL.

#include MODEL

#include <stan/callbacks/interrupt.hpp>
#include <stan/callbacks/stream_logger.hpp>
#include <stan/callbacks/structured_writer.hpp>
#include <stan/callbacks/writer.hpp>
#include <stan/io/empty_var_context.hpp>
#include <stan/io/json/json_data.hpp>
#include <stan/services/experimental/advi/fullrank.hpp>
#include <stan/services/experimental/advi/meanfield.hpp>
#include <stan/services/pathfinder/multi.hpp>

#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

// Keeps running sums of the draws. ADVI writes its mean first, which is no draw.
struct Moments : stan::callbacks::writer {
  bool skip;
  std::vector<std::string> names;
  std::vector<double> sums, squares;
  double count = 0;

  explicit Moments(bool skip_first) : skip(skip_first) {}

  using stan::callbacks::writer::operator();

  void operator()(const std::vector<std::string>& given) override {
    names = given;
    sums.assign(names.size(), 0);
    squares.assign(names.size(), 0);
  }

  void operator()(const std::vector<double>& draw) override {
    if (skip) {
      skip = false;
      return;
    }
    add(draw.data(), draw.size());
  }

  void operator()(const Eigen::Ref<Eigen::Matrix<double, -1, -1>>& draws) override {
    // A column is a draw.
    for (Eigen::Index k = 0; k < draws.cols(); ++k) {
      Eigen::VectorXd draw = draws.col(k);
      add(draw.data(), draw.size());
    }
  }

  void add(const double* draw, std::size_t size) {
    for (std::size_t k = 0; k < size && k < sums.size(); ++k) {
      sums[k] += draw[k];
      squares[k] += draw[k] * draw[k];
    }
    count += 1;
  }
};

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string method = argv[2];
  const unsigned int seed = std::stoul(argv[3]);
  std::ifstream file(argv[1]);
  stan::json::json_data data(file);
  stan::model::model_base& model = new_model(data, seed, &std::cerr);

  stan::callbacks::interrupt interrupt;
  stan::callbacks::stream_logger logger(std::cerr, std::cerr, std::cerr, std::cerr, std::cerr);
  stan::callbacks::writer ignored;
  Moments moments(method != "pathfinder");
  const auto began = std::chrono::steady_clock::now();
  int code = 0;
  try {
    if (method == "pathfinder") {
      constexpr int paths = 4;
      std::vector<std::unique_ptr<stan::io::empty_var_context>> starts;
      for (int k = 0; k < paths; ++k) starts.push_back(std::make_unique<stan::io::empty_var_context>());
      std::vector<stan::callbacks::writer> inits(paths), singles(paths);
      std::vector<stan::callbacks::structured_writer> diagnostics(paths);
      stan::callbacks::structured_writer diagnostic;
      code = stan::services::pathfinder::pathfinder_lbfgs_multi(
          model, starts, seed, 1, 2, 5, 0.001, 1e-12, 1e4, 1e-8, 1e7, 1e-8, 1000, 25, 1000, 1000, paths, false, 0,
          interrupt, logger, inits, singles, diagnostics, moments, diagnostic);
    } else {
      stan::io::empty_var_context start;
      using namespace stan::services::experimental::advi;
      code = method == "fullrank" ? fullrank(model, start, seed, 1, 2, 1, 100, 10000, 0.01, 1, true, 50, 100, 1000,
                                             interrupt, logger, ignored, moments, ignored)
                                  : meanfield(model, start, seed, 1, 2, 1, 100, 10000, 0.01, 1, true, 50, 100, 1000,
                                              interrupt, logger, ignored, moments, ignored);
    }
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    code = 1;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;

  std::cout.precision(17);
  std::cout << "{\"code\": " << code << ", \"seconds\": " << seconds.count() << ", \"parameters\": {";
  const char* comma = "";
  for (std::size_t k = 0; k < moments.names.size() && moments.count > 1; ++k) {
    const double mean = moments.sums[k] / moments.count;
    const double variance = moments.squares[k] / moments.count - mean * mean;
    if (!std::isfinite(mean) || !std::isfinite(variance)) continue;
    std::cout << comma << '"' << moments.names[k] << "\": [" << mean << ", " << std::sqrt(std::max(variance, 0.0))
              << ']';
    comma = ", ";
  }
  std::cout << "}}\n";
}
