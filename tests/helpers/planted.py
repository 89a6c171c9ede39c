"""Faults to plant in the package, and the tests that notice them: none of these is too weak."""

from __future__ import annotations

from dataclasses import dataclass

from hpsearch.engine.structure.settings import OPTIMIZERS
from tests.engine.test_pause import KINDS
from tests.helpers.problems import NETS

_TESTS = "tests/engine/test_"
_COHORTS = f"{_TESTS}engine.py::TestCohorts::test_"
_FORWARD = f"{_TESTS}engine.py::TestForward::test_"
_OPTIMIZERS = f"{_TESTS}engine.py::TestOptimizers::test_"
_FEED = f"{_TESTS}feed.py::test_"
_TALLIES = f"{_TESTS}tallies.py::test_"
_CLASSES = f"{_TALLIES}a_metric_of_classes_is_that_of_scikit_learn"
_NUMBERS = f"{_TALLIES}a_metric_of_numbers_is_that_of_scikit_learn"
_TRAINING = f"{_TESTS}engine.py::TestTraining::test_"
_ACTIVATIONS = f"{_TESTS}techniques.py::TestActivations::test_"
_CHAINS = f"{_TESTS}techniques.py::TestChains::test_"
_CLIPPING = f"{_TESTS}techniques.py::TestClipping::test_"
_INITS = f"{_TESTS}techniques.py::TestInits::test_"
_NORMS = f"{_TESTS}techniques.py::TestNorms::test_"
_PENALTIES = f"{_TESTS}techniques.py::TestPenalties::test_"
_PRETRAINING = f"{_TESTS}techniques.py::TestPretraining::test_"
_RECURRENCE = f"{_TESTS}techniques.py::TestRecurrence::test_"
_SCHEDULES = f"{_TESTS}techniques.py::TestSchedules::test_"
_SKIPS = f"{_TESTS}techniques.py::TestSkips::test_"
_BAYESIAN = f"{_TESTS}bayesian.py::test_"
_ANSWERS = f"{_TESTS}bayesian.py::TestAnswers::test_"
_LINEAR = f"{_TESTS}bayesian.py::TestLinearGaussian::test_"
_PROBE = f"{_TESTS}diagnose.py::TestProbe::test_"
_HALVES = f"{_TESTS}halves.py::test_"
_MEMBERS = f"{_TESTS}folds.py::TestMembers::test_"
_SPLIT = f"{_TESTS}folds.py::TestSplit::test_"
_TRIALS = f"{_TESTS}folds.py::TestTrials::test_"
_GOING_ON = f"{_TESTS}pause.py::TestGoingOn::test_"
_RESULTS = f"{_TESTS}pause.py::TestResults::test_"
_PAUSED_TRIALS = f"{_TESTS}pause.py::TestTrials::test_"
_CAPACITY = f"{_TESTS}structure.py::TestCapacity::test_"
_RECORDS = f"{_TESTS}structure.py::TestRecords::test_"
_WEIGHTS = f"{_TESTS}weights.py::test_"
_COLUMNS = "tests/data/columns/test_columns.py::test_"
_ONNX = "tests/model/test_onnx.py::test_"
_TABLES = f"{_TESTS}structure.py::TestTables::test_"
_LOOKUP = f"{_TESTS}lookup.py::TestLookup::test_"
_LEARNING = f"{_TESTS}lookup.py::TestLearning::test_"
_ENCODE = "tests/data/columns/test_encode.py::test_"
_DATA = "tests/data/test_"
_SPLITS = "tests/data/splits/test_"
_VERDICT = "tests/report/diagnosis/test_view.py::TestVerdict::test_"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: in `file` of the package `old`, which is there once, becomes `new`.

    Each of `tests` then fails. `of` is what is at fault: a setting and its choice, or another thing
    that the engine promises.
    """

    of: str
    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.of}: {self.what}"


def fault(of: str, what: str, file: str, old: str, new: str, *tests: str) -> Fault:
    return Fault(of, what, file, old, new, tests)


_LEAKY = '(Maas, Hannun & Ng 2013)."""\n    return torch.where(z > 0, z, slope * z)'
_PRELU = '(He et al. 2015)."""\n    return torch.where(z > 0, z, slope * z)'
_MATCH = f"{_OPTIMIZERS}every_member_takes_the_steps_of_torch_optim"
_ROSENBROCK = f"{_OPTIMIZERS}it_follows_the_valley_of_rosenbrock_to_its_end"

FAULTS: tuple[Fault, ...] = (
    # how weights begin
    fault(
        "init fan_normal", "no gain, and the fan in alone", "engine/inits.py",
        "return _normal(slot, noise) * math.sqrt(_variance(slot, settings))",
        "return _normal(slot, noise) * math.sqrt(1.0 / slot.fan_in)",
        f"{_INITS}the_fans_set_the_variance",
        f"{_INITS}the_signal_keeps_its_size_through_30_layers[relu-fan_normal]",
    ),
    fault(
        "init fan_uniform", "its range for its standard deviation", "engine/inits.py",
        "math.sqrt(3.0 * _variance(slot, settings))", "math.sqrt(_variance(slot, settings))",
        f"{_INITS}the_fans_set_the_variance",
        f"{_INITS}the_signal_keeps_its_size_through_30_layers[tanh-fan_uniform]",
    ),
    fault(
        "init fan_uniform", "normal draws", "engine/inits.py",
        "return _uniform(slot, noise) * math.sqrt(3.0 *",
        "return _normal(slot, noise) * math.sqrt(1.0 *",
        f"{_INITS}uniform_draws_end_where_normal_ones_go_on[fan_uniform]",
    ),
    fault(
        "init normal", "uniform draws of its variance", "engine/inits.py",
        'N(0, 1), whatever the fans."""\n    return _normal(slot, noise)',
        'N(0, 1), whatever the fans."""\n    return _uniform(slot, noise) * math.sqrt(3.0)',
        f"{_INITS}uniform_draws_end_where_normal_ones_go_on[normal]",
    ),
    fault(
        "init uniform", "only above 0", "engine/inits.py",
        "return 2.0 * torch.rand(slot.shape, generator=noise, dtype=torch.float64) - 1.0",
        "return 1.0 * torch.rand(slot.shape, generator=noise, dtype=torch.float64)",
        f"{_INITS}plain_draws_have_the_scale_that_is_asked_for",
    ),
    fault(
        "init orthogonal", "not orthogonal", "engine/inits.py",
        "q, r = torch.linalg.qr(tall)", "q, r = tall / tall.norm(dim=0), torch.eye(tall.shape[1])",
        f"{_INITS}an_orthogonal_weight_keeps_lengths",
    ),
    fault(
        "init orthogonal", "the signs that QR leaves", "engine/inits.py",
        "q = q * torch.sign(torch.diagonal(r))", "q = q",
        f"{_INITS}an_orthogonal_weight_is_any_of_them_and_not_of_one_sign",
    ),
    fault(
        "init orthogonal", "no gain", "engine/inits.py",
        "return q.reshape(slot.shape) * math.sqrt(gain(slot, settings))",
        "return q.reshape(slot.shape)",
        f"{_INITS}the_signal_keeps_its_size_through_30_layers[relu-orthogonal]",
    ),
    fault(
        "init identity", "in the corner of a window", "engine/inits.py",
        "middle = tuple(side // 2 for side in slot.shape[2:])",
        "middle = tuple(0 for side in slot.shape[2:])",
        f"{_INITS}an_identity_has_ones_on_its_diagonal",
    ),
    fault(
        "init identity", "of a recurrent network's input weights, too", "engine/stacked_cohort.py",
        'yield (init if slot.role == "recurrent" else inward)(', "yield init(",
        f"{_RECURRENCE}an_identity_is_for_the_recurrent_weights",
    ),
    fault(
        "init_scale", "left out", "engine/stacked_cohort.py",
        "(slot, settings, noise) * scale", "(slot, settings, noise)",
        f"{_INITS}init_scale_scales_the_draws",
        f"{_INITS}the_signal_is_lost_with_small_normal_weights",
    ),
    fault(
        "init_constraint", "draws to 0", "engine/stacked_cohort.py",
        "self.weights.flat - self._anchor.flat, self._pull.flat",
        "self.weights.flat, self._pull.flat",
        f"{_RECURRENCE}init_constraint_keeps_recurrent_weights_near_where_they_began",
    ),
    fault(
        "fans", "a convolution's without its window", "engine/structure/slots.py",
        "return math.prod(self.shape[1:])", "return self.shape[1]",
        f"{_INITS}the_fans_of_a_convolution_count_its_window",
    ),
    fault(
        "gain", "blind to the slope", "engine/inits.py",
        'return 2.0 / (1.0 + float(settings.get("slope", 0.0)) ** 2)', "return 2.0",
        f"{_INITS}a_leaky_rectifier_asks_for_less_gain",
    ),
    # pre-training
    fault(
        "pretrain layerwise", "does not learn", "engine/pretrain.py",
        "adam(self._weights, gradients,", "adam([w.clone() for w in self._weights], gradients,",
        f"{_PRETRAINING}each_layer_learns_to_restore_what_it_was_given",
        f"{_PRETRAINING}a_deep_net_learns_more_from_200_labels_with_it",
    ),
    fault(
        "pretrain layerwise", "spoils nothing", "engine/pretrain.py",
        ">= self._levels", ">= 0 * self._levels",
        f"{_PRETRAINING}what_is_restored_is_what_the_layer_was_given_before_it_was_spoilt",
    ),
    fault(
        "pretrain layerwise", "all layers restore the inputs", "engine/pretrain.py",
        "for layer in range(self._layer):", "for layer in range(0):",
        f"{_PRETRAINING}each_layer_learns_to_restore_what_it_was_given",
    ),
    fault(
        "pretrain none", "pre-trains", "engine/pretrain.py",
        "yield from ()", "yield from layerwise(stacked, feed)",
        f"{_PRETRAINING}weights_are_as_they_were_drawn_where_there_is_none",
    ),
    # rules of a step
    fault(
        "optimizer sgd", "half a step", "engine/optimizers.py",
        "torch._foreach_addcmul_(w, g, c.lr, value=-c.scale)",
        "torch._foreach_addcmul_(w, g, c.lr, value=-0.5 * c.scale)",
        f"{_MATCH}[sgd]",
    ),
    fault(
        "optimizer momentum", "none", "engine/optimizers.py",
        "torch._foreach_addcmul_(w, v, c.lr, value=-c.scale)",
        "torch._foreach_addcmul_(w, g, c.lr, value=-c.scale)",
        f"{_MATCH}[momentum]", f"{_ROSENBROCK}[momentum]",
    ),
    fault(
        "optimizer nesterov", "does not look ahead", "engine/optimizers.py",
        "ahead = torch._foreach_addcmul(g, v, c.momentum)", "ahead = v",
        f"{_MATCH}[nesterov]",
    ),
    fault(
        "optimizer adagrad", "forgets", "engine/optimizers.py",
        "torch._foreach_addcmul_(v, g, g)", "torch._foreach_copy_(v, torch._foreach_mul(g, g))",
        f"{_MATCH}[adagrad]",
    ),
    fault(
        "optimizer rmsprop", "no mean", "engine/optimizers.py",
        "torch._foreach_addcmul_(v, g, g, value=1.0 - c.beta2)",
        "torch._foreach_addcmul_(v, g, g, value=1.0)",
        f"{_MATCH}[rmsprop]", f"{_ROSENBROCK}[rmsprop]",
    ),
    fault(
        "optimizer adam", "no correction of the bias", "engine/optimizers.py",
        "torch.full((), t,", "torch.full((), t + 10**6,",
        f"{_MATCH}[adam]",
    ),
    fault(
        "optimizer adam", "no schedule where all have one rate", "engine/optimizers.py",
        "c.rate * c.scale", "c.rate",
        f"{_MATCH}[adam]",
    ),
    fault(
        "optimizer adamw", "the decay without the rate", "engine/optimizers.py",
        "shrink = torch._foreach_mul(c.lr, c.decay)", "shrink = c.decay",
        f"{_MATCH}[adamw]",
    ),
    # clipping and diagnosis
    fault(
        "clip_norm", "lengthens short gradients", "engine/stacked_cohort.py",
        ".clamp_max(1.0))", ")",
        f"{_CLIPPING}each_members_gradient_is_cut_to_its_own_limit",
    ),
    fault(
        "clip_norm", "one norm for all members", "engine/stacked_tensors.py",
        "torch.stack(squares).sum(0).sqrt()",
        "torch.stack(squares).sum().sqrt().expand(self.members)",
        f"{_CLIPPING}each_members_gradient_is_cut_to_its_own_limit",
        f"{_COHORTS}a_member_that_explodes_leaves_the_others_bit_equal",
    ),
    fault(
        "clip_norm", "nowhere", "engine/stacked_cohort.py",
        "torch.where(limits > 0, limits, torch.inf)",
        "torch.where(limits > 0, torch.inf, torch.inf)",
        f"{_CLIPPING}what_explodes_without_it_trains_with_it",
    ),
    fault(
        "diagnosis", "weights for gradients", "engine/probes.py",
        "gradients = _norms(stacked.gradient,", "gradients = _norms(stacked.weights,",
        f"{_PROBE}variance_and_gradient_at_the_start_are_those_by_hand",
        f"{_VERDICT}a_deep_sigmoid_net_vanishes_from_a_layer_that_is_named",
    ),
    fault(
        "diagnosis", "updates without the weights' size", "engine/probes.py",
        "ratios: Tensor = moved / sizes", "ratios: Tensor = moved",
        f"{_PROBE}the_update_of_plain_descent_is_its_rate_times_gradient_over_weights",
    ),
    fault(
        "diagnosis", "a unit that is off for some rows is dead", "engine/probes.py",
        "off.all(0).double()", "off.any(0).double()",
        f"{_PROBE}units_that_are_off_for_every_row_are_dead",
    ),
    # penalties
    fault(
        "l2", "adamw's is not decoupled", "engine/stacked_cohort.py",
        "self.weights.filled(l2 * (1.0 - decays), penalised)", "self.weights.filled(l2, penalised)",
        f"{_MATCH}[adamw]",
    ),
    fault(
        "l1", "goes beyond 0", "engine/stacked_cohort.py",
        "(weight.abs() - factor * lr * most).clamp_min(0.0)", "(weight.abs() - factor * lr * most)",
        f"{_PENALTIES}l1_makes_weights_exactly_zero_and_more_of_them_the_stronger_it_is",
    ),
    fault(
        "dropout", "does not keep the mean", "engine/net.py",
        "return cls(levels, LEVELS / (LEVELS - levels))",
        "return cls(levels, torch.ones_like(levels))",
        f"{_PENALTIES}dropout_keeps_the_mean_and_drops_its_share",
        f"{_PENALTIES}dropconnect_drops_connections_and_keeps_the_mean_input",
    ),
    fault(
        "dropout", "on in evaluation", "engine/net.py",
        "if noise is not self.noise:", "if noise is not None and noise is not self.noise:",
        f"{_PENALTIES}every_net_drops_in_training_and_none_in_evaluation[dropout-mlp]",
    ),
    fault(
        "dropout", "not in recurrent networks", "engine/models/rnn.py",
        "return states if mask is None else [h * mask for h in states]", "return states",
        f"{_PENALTIES}every_net_drops_in_training_and_none_in_evaluation[dropout-gru]",
    ),
    fault(
        "dropout", "not in a resnet", "engine/models/resnet.py",
        "net.drop(second, pooled)", "pooled",
        f"{_PENALTIES}every_net_drops_in_training_and_none_in_evaluation[dropout-resnet]",
    ),
    fault(
        "dropconnect", "nothing is dropped", "engine/net.py",
        "return weight * self._dropconnect.multipliers(r.flatten(2)).view(weight.shape)",
        "return weight",
        f"{_PENALTIES}dropconnect_drops_connections_and_keeps_the_mean_input",
        f"{_PENALTIES}every_net_drops_in_training_and_none_in_evaluation[dropconnect-lstm]",
    ),
    # distributions of networks
    fault(
        "bayesian none", "answers with thinned networks", "engine/bayesian.py",
        "return stacked.outputs\n", "return sampled(stacked, feed)\n",
        f"{_ANSWERS}one_network_answers_with_all_of_its_units",
    ),
    fault(
        "bayesian variational", "a prior as heavy as for one row", "engine/variational.py",
        "alpha=1.0 / self._rows", "alpha=1.0",
        f"{_LINEAR}variational_finds_the_posterior_as_near_as_independent_weights_can",
    ),
    fault(
        "bayesian variational", "the sums of a layer without noise", "engine/net.py",
        "(dense(x.square(), sigma.square(), None) + _TINY).sqrt()", "0.0",
        f"{_LINEAR}variational_finds_the_posterior_as_near_as_independent_weights_can",
    ),
    fault(
        "bayesian variational", "padding has a log scale", "engine/variational.py",
        "corner(s[k], slot.shape).fill_(", "s[k].fill_(",
        f"{_BAYESIAN}a_member_answers_the_same_alone_and_in_company[sigmoid-variational]",
    ),
    fault(
        "bayesian mc_dropout", "a network for each row", "engine/net.py",
        'rows = 1 if self._sampled else int(self.settings["batch_size"])',
        'rows = int(self.settings["batch_size"])',
        f"{_ANSWERS}every_way_learns[classes-mc_dropout]",
    ),
    fault(
        "bayesian mc_dropout", "the mean of logarithms", "engine/bayesian.py",
        "answers.log_softmax(3).logsumexp(0)", "answers.log_softmax(3).mean(0)",
        f"{_ANSWERS}sampled_classes_are_the_mean_of_probabilities",
    ),
    fault(
        "bayesian laplace", "no prior", "engine/bayesian.py",
        "+ self.tau.view(-1, 1, 1)", "+ 1e-3",
        f"{_LINEAR}laplace_is_the_posterior_itself_of_the_output_layer",
    ),
    fault(
        "bayesian laplace", "what all outputs share counts", "engine/bayesian.py",
        "Q = Q - Q.mean(1, keepdim=True)", "Q = Q + 0.0",
        f"{_ANSWERS}what_all_outputs_share_makes_laplace_no_less_sure",
    ),
    # norms
    fault(
        "norm batch", "evaluated by its batch", "engine/net.py",
        "trains = self.noise is not None and not self._sampled", "trains = True",
        f"{_NORMS}batch_norm_is_evaluated_with_what_training_has_seen",
    ),
    fault(
        "norm batch", "a batch of one by its own variance", "engine/net.py",
        "by_batch = trains and z.numel() > len(mean)", "by_batch = trains and z.numel() > 0",
        f"{_NORMS}a_batch_of_one_is_normalised_by_what_training_has_seen",
    ),
    fault(
        "norm layer", "counts the padding", "engine/net.py",
        'units = self._widths[f"{name}.gain"] *',
        'units = 0 * self._widths[f"{name}.gain"] + z.shape[2] *',
        f"{_NORMS}layer_norm_gives_each_row_mean_0_and_variance_1_over_a_members_own_units",
        f"{_NORMS}a_member_learns_the_same_alone_as_in_company",
    ),
    fault(
        "norm layer", "not in an elman network", "engine/models/rnn.py",
        'net.norm(f"{name}.new", a + torch.bmm(h, U))', "a + torch.bmm(h, U)",
        f"{_NORMS}a_recurrent_net_takes_layer_norm_so_that_its_scale_of_inputs_does_not_matter[elman]",
        f"{_FORWARD}the_gradient_reaches_every_weight[elman-{{'norm': 'layer'}}]",
    ),
    fault(
        "norm none", "a norm all the same", "engine/structure/slots.py",
        'if settings["norm"] == "none":', "if False:",
        f"{_FORWARD}the_gradient_reaches_every_weight[residual-{{}}]",
    ),
    # activations
    fault(
        "activation relu", "lets through what is negative", "engine/activations.py",
        "return torch.relu(z)", "return torch.abs(z)",
        f"{_ACTIVATIONS}each_is_the_one_that_torch_has[relu]",
    ),
    fault(
        "activation leaky_relu", "the root of its slope", "engine/activations.py",
        _LEAKY, _LEAKY.replace("slope *", "slope.sqrt() *"),
        f"{_ACTIVATIONS}each_is_the_one_that_torch_has[leaky_relu]",
    ),
    fault(
        "activation prelu", "its slope is not learned", "engine/activations.py",
        _PRELU, _PRELU.replace("slope *", "slope.detach() *"),
        f"{_ACTIVATIONS}prelu_learns_its_slopes",
        f"{_ACTIVATIONS}the_gradient_is_that_of_the_values[prelu]",
    ),
    fault(
        "activation tanh", "a sine", "engine/activations.py",
        "return torch.tanh(z)", "return torch.sin(z)",
        f"{_ACTIVATIONS}each_is_the_one_that_torch_has[tanh]",
    ),
    fault(
        "activation sigmoid", "twice as steep", "engine/activations.py",
        "return torch.sigmoid(z)", "return torch.sigmoid(2 * z)",
        f"{_ACTIVATIONS}each_is_the_one_that_torch_has[sigmoid]",
    ),
    fault(
        "activation gelu", "an approximation", "engine/activations.py",
        "return F.gelu(z)", 'return F.gelu(z, approximate="tanh")',
        f"{_ACTIVATIONS}each_is_the_one_that_torch_has[gelu]",
    ),
    fault(
        "derivatives", "of gelu by its value", "engine/activations.py",
        "gelu_backward.grad_input(d, z,", "gelu_backward.grad_input(d, a,",
        f"{_CHAINS}the_gradient_by_hand_is_that_of_autograd",
    ),
    fault(
        "derivatives", "of the first member's activation for all", "engine/net.py",
        "torch.where(_per_member(mine, z), its, found)", "found",
        f"{_CHAINS}the_gradient_by_hand_is_that_of_autograd",
        f"{_COHORTS}a_member_learns_the_same_alone_as_in_a_mixed_cohort",
    ),
    fault(
        "activations", "the last member's for all", "engine/net.py",
        "a = torch.where(_per_member(mine, z), function(z, slope), a)", "a = function(z, slope)",
        f"{_ACTIVATIONS}every_member_has_its_own",
    ),
    fault(
        "activations", "padding learns behind a sigmoid", "engine/stacked_cohort.py",
        '_NOT_FROM_ZERO = ("sigmoid",)', '_NOT_FROM_ZERO = ("none",)',
        f"{_ACTIVATIONS}padding_does_not_learn_where_zero_does_not_go_to_zero",
    ),
    # ways around layers
    fault(
        "skip residual", "none", "engine/models/mlp.py",
        "h = h + a", "h = a",
        f"{_SKIPS}a_net_of_50_layers_trains_with_it_and_not_without[residual]",
        f"{_FORWARD}a_residual_mlp_adds_each_layer_to_what_came_in",
    ),
    fault(
        "skip highway", "the gate the wrong way round", "engine/models/mlp.py",
        "torch.lerp(h, a,", "torch.lerp(a, h,",
        f"{_SKIPS}a_net_of_50_layers_trains_with_it_and_not_without[highway]",
        f"{_SKIPS}a_highway_begins_nearly_shut",
    ),
    fault(
        "skip highway", "begins open", "engine/stacked_cohort.py",
        '"gate": -2.0', '"gate": 2.0',
        f"{_SKIPS}a_net_of_50_layers_trains_with_it_and_not_without[highway]",
        f"{_SKIPS}a_highway_begins_nearly_shut",
    ),
    fault(
        "skip none", "a way around all the same", "engine/models/mlp.py",
        'if layer == 0 or skip == "none":', "if layer == 0:",
        f"{_NORMS}a_net_with_a_norm_computes_what_torchs_own_layers_do",
    ),
    # models
    fault(
        "model mlp", "the gradient stops below the last layer", "engine/chain.py",
        "d = net.derive(d, z, a)", "d = 0 * d",
        f"{_FORWARD}the_gradient_reaches_every_weight[mlp-{{}}]",
    ),
    fault(
        "model resnet", "no way around its blocks", "engine/models/resnet.py",
        "h = net.activate(second, around + net.norm(", "h = net.activate(second, net.norm(",
        f"{_FORWARD}a_resnet_block_begins_as_the_identity",
        f"{_FORWARD}the_gradient_reaches_every_weight[resnet-{{}}]",
    ),
    fault(
        "model resnet",
        "members of several folds take each other's images",
        "engine/models/resnet.py",
        "x = x.transpose(0, 1).flatten(1, 2)",
        "x = x.flatten(0, 1).reshape(x.shape[1], -1, *x.shape[3:])",
        f"{_MEMBERS}folds_and_seeds_learn_the_same_alone_as_in_one_cohort[resnet]",
    ),
    fault(
        "model rnn", "answers from its first state", "engine/models/rnn.py",
        "return net.output(states[-1])", "return net.output(states[0])",
        f"{_RECURRENCE}each_cell_is_the_one_that_torch_has",
        f"{_FORWARD}the_gradient_reaches_every_weight[gru-{{}}]",
    ),
    fault(
        "cell elman", "no memory", "engine/models/rnn.py",
        'net.norm(f"{name}.new", a + torch.bmm(h, U))', 'net.norm(f"{name}.new", a)',
        f"{_RECURRENCE}each_cell_is_the_one_that_torch_has[elman]",
        f"{_FORWARD}the_gradient_reaches_every_weight[elman-{{}}]",
    ),
    fault(
        "cell gru", "no reset", "engine/models/rnn.py",
        "an + r * un", "an + un",
        f"{_RECURRENCE}each_cell_is_the_one_that_torch_has[gru]",
        f"{_FORWARD}the_gradient_reaches_every_weight[gru-{{}}]",
    ),
    fault(
        "cell lstm", "forgets nothing", "engine/models/rnn.py",
        "c = f * c + i *", "c = c + i *",
        f"{_RECURRENCE}each_cell_is_the_one_that_torch_has[lstm]",
        f"{_FORWARD}the_gradient_reaches_every_weight[lstm-{{}}]",
    ),
    fault(
        "models", "members of different layers share a cohort", "engine/structure/mlp.py",
        'structure=("depth", "skip", "pretrain")', 'structure=("depth", "pretrain")',
        f"{_RECORDS}a_setting_that_changes_the_layout_changes_the_key[mlp]",
    ),
    fault(
        "models", "convolutions stack as dense layers do", "engine/structure/resnet.py",
        "    capacity=capacity,\n", "",
        f"{_CAPACITY}convolutions_stack_on_a_cpu_only_while_they_are_narrow",
    ),
    # memory
    fault(
        "memory", "an array is held while its halves train", "engine/halves.py",
        "    gc.collect()", "    pass",
        f"{_HALVES}an_array_is_halved_until_it_fits",
    ),
    fault(
        "memory", "epochs are given again by the halves", "engine/halves.py",
        "event.epoch.epoch <= given.get(event.member.name, 0)", "False",
        f"{_HALVES}each_epoch_is_given_once",
        f"{_HALVES}seeds_of_a_trial_may_be_trained_in_different_halves",
    ),
    fault(
        "memory", "the weights alone are counted", "engine/structure/memory.py",
        "_COPIES * size(slots)", "size(slots)",
        f"{_TESTS}memory.py::test_no_member_takes_more_than_its_bound",
    ),
    # scores
    fault(
        "task classification", "the top output for the sum over all", "engine/feed.py",
        "outputs.logsumexp(2, keepdim=True)", "outputs.amax(2, keepdim=True)",
        f"{_TRAINING}scores_agree_with_scikit_learn_on_classes",
        f"{_TRAINING}scores_of_a_split_agree_with_scikit_learns_from_the_raw_data_on[wine]",
    ),
    fault(
        "metric accuracy", "accuracy of the worst guess", "engine/tallies.py",
        "contiguous().argmax(2)", "contiguous().argmin(2)",
        f"{_TRAINING}scores_agree_with_scikit_learn_on_classes",
    ),
    fault(
        "metric balanced_accuracy", "the mean precision", "metrics.py",
        "_mean_quotient(found.right, found.actual)", "_mean_quotient(found.right, found.predicted)",
        f"{_CLASSES}[two-balanced_accuracy]", f"{_CLASSES}[many-balanced_accuracy]",
    ),
    fault(
        "metric f1", "of the classes that the rows have alone", "metrics.py",
        "found.actual + found.predicted)", "(found.actual + found.predicted) * (found.actual > 0))",
        f"{_CLASSES}[two-f1]", f"{_CLASSES}[many-f1]",
    ),
    fault(
        "metric f1", "rows that pad a shorter fold are counted", "engine/tallies.py",
        "batch.targets, batch.counts.double())",
        "batch.targets, torch.ones_like(batch.counts).double())",
        f"{_CLASSES}[many-balanced_accuracy]", f"{_CLASSES}[many-f1]",
    ),
    fault(
        "metric auc", "ties count in full", "engine/tallies.py",
        "(mine * (below + not_above)).sum(1) / 2.0", "(mine * not_above).sum(1)",
        f"{_CLASSES}[two-auc]", f"{_CLASSES}[many-auc]",
    ),
    fault(
        "metric auc", "outputs are ranked in place of probabilities", "engine/tallies.py",
        "outputs.log_softmax(2)", "outputs",
        f"{_CLASSES}[many-auc]",
    ),
    fault(
        "metric auc", "probabilities are rounded", "engine/tallies.py",
        "ranks = outputs[..., 1:] - outputs[..., :1]", "ranks = outputs.softmax(2)[..., 1:]",
        f"{_TALLIES}answers_that_are_all_but_certain_are_ranked[2-800.0-60.0]",
    ),
    fault(
        "metric r2", "R2 without the targets' variance", "metrics.py",
        "1.0 - found.mean / found.variance,", "1.0 - found.mean,",
        f"{_TRAINING}scores_agree_with_scikit_learn_on_numbers",
        f"{_TRAINING}scores_of_a_split_agree_with_scikit_learns_from_the_raw_data_on[diabetes]",
    ),
    fault(
        "metric rmse", "in standardised units", "metrics.py",
        "found.scale * np.sqrt(found.mean)", "np.sqrt(found.mean)",
        f"{_NUMBERS}[rmse]",
    ),
    fault(
        "metric mae", "errors of both signs cancel out", "engine/tallies.py",
        "(batch.outputs[..., 0] - batch.targets).abs()", "batch.outputs[..., 0] - batch.targets",
        f"{_NUMBERS}[mae]",
    ),
    fault(
        "task regression", "half the derivative", "engine/feed.py",
        "losses, factor = derivative.square(), 2.0", "losses, factor = derivative.square(), 1.0",
        f"{_SCHEDULES}every_member_follows_its_own_at_every_step",
    ),
    # weights of rows
    fault(
        "weights", "do not reach the derivative", "engine/feed.py",
        "losses, derivative = (each * weights.unsqueeze(-1) for each in (losses, derivative))",
        "losses = losses * weights.unsqueeze(-1)",
        *(f"{_FEED}the_derivative_of_a_batch_is_that_of_its_weighted_loss[{own}-{task}]"
          for own in (False, True) for task in ("classes", "numbers")),
    ),
    fault(
        "weights", "a mean over rows for one over weights", "engine/train.py",
        "counted = counted + batch.counted", "counted = counted + outputs.shape[1]",
        f"{_FEED}the_training_loss_is_the_mean_over_weights_whatever_the_batches",
    ),
    fault(
        "weights", "those that balance classes count in metrics", "engine/feed.py",
        "counted = own if self.data.metric_weights is None else weights", "counted = weights",
        *(f"{_FEED}balanced_weights_are_for_losses_and_not_for_metrics[{metric}]"
          for metric in ("accuracy", "f1")),
    ),
    fault(
        "weights", "are not those of the rows that are looked at", "engine/feed.py",
        "weights = _weighed(counts, batch).double()", "weights = counts.double()",
        f"{_FEED}what_can_be_had_without_learning_goes_by_weights[classes]",
        f"{_FEED}what_can_be_had_without_learning_goes_by_weights[numbers]",
    ),
    fault(
        "weights", "do not count in a posterior", "engine/bayesian.py",
        "batch.weights.to(torch.float64)", "batch.counts.sign().to(torch.float64)",
        f"{_FEED}a_posterior_counts_rows_by_their_weights[classes]",
        f"{_FEED}a_posterior_counts_rows_by_their_weights[numbers]",
    ),
    fault(
        "weights", "are squared where noise is learned", "engine/variational.py",
        "missed = grad_outputs / row_weights.sqrt().unsqueeze(-1)", "missed = grad_outputs",
        f"{_FEED}the_noise_of_a_variational_regression_is_learned_by_weights",
    ),
    fault(
        "weights", "each batch counts as much", "engine/variational.py",
        "counted = row_weights.mean(-1, keepdim=True)", "",
        f"{_FEED}the_noise_of_a_variational_regression_is_learned_by_weights",
    ),
    fault(
        "weights", "of each row once for all folds", "engine/feed.py",
        "weights = None if weights is None else weights.repeat(len(data.folds))", "",
        f"{_FEED}images_of_bytes_have_their_weights_in_every_fold",
    ),
    fault(
        "weights", "are 1 in the mean of all rows", "data/weights.py",
        "found / found[measured].mean()", "found / found.mean()",
        f"{_DATA}weights.py::test_weights_follow_their_rows_and_have_a_mean_of_1_where_targets_are_measured"
        "[classes-{}]",
    ),
    # validation
    fault(
        "split", "classes are not dealt out", "data/splits/split.py",
        'order = order[np.argsort(groups[order], kind="stable")]', "order = order[:]",
        f"{_SPLIT}each_row_validates_once_and_each_class_is_dealt_out_evenly",
        f"{_SPLITS}split.py::test_each_class_has_its_share_of_validation_and_test_within_one_row",
    ),
    fault(
        "split", "a fold trains on what it validates", "data/splits/split.py",
        "(rows[fold_of != fold], rows[fold_of == fold])", "(rows, rows[fold_of == fold])",
        f"{_SPLIT}each_row_validates_once_and_each_class_is_dealt_out_evenly",
    ),
    fault(
        "split", "another seed, the same split", "data/splits/split.py",
        "np.random.default_rng([seed, 0]))\n    group = groups[order]",
        "np.random.default_rng([0, 0]))\n    group = groups[order]",
        f"{_SPLITS}parts.py::test_another_split_seed_gives_another_split",
    ),
    fault(
        "scaling", "measured on validation rows as well", "data/scale.py",
        "*scaling(inputs, train, kind, columns)",
        "*scaling(inputs, np.concatenate([train, validation]), kind, columns)",
        f"{_DATA}scale.py::test_scaling_does_not_look_at_validation_or_test",
        f"{_SPLIT}folds_are_scaled_by_their_own_training_rows",
    ),
    fault(
        "scaling", "flags of categories as if they were quantities", "data/scale.py",
        "        center = np.where(scaled, center, 0.0)\n", "",
        f"{_ENCODE}flags_are_not_scaled[standard]",
        f"{_ENCODE}what_stands_in_other_rows_changes_nothing_that_is_measured",
    ),
    fault(
        "encoding", "of all rows, the test rows among them", "data/prepare.py",
        "columns, inputs = _fitted(raw, inputs, parts.pool)",
        "columns, inputs = _fitted(raw, inputs, np.arange(len(inputs)))",
        f"{_ENCODE}what_stands_in_other_rows_changes_nothing_that_is_measured",
    ),
    fault(
        "encoding", "missing numbers are 0", "data/columns/encode.py",
        "xp.where(xp.isnan(features), by.fill, features)", "xp.nan_to_num(features)",
        *(f"{_ENCODE}a_missing_number_becomes_the_mean_of_the_training_rows[{kind}]"
          for kind in ("standard", "unit", "none")),
    ),
    # categories that are embedded
    fault(
        "embedding", "of what is not told apart as well", "engine/lookup.py",
        "dE[:, 0] = 0.0", "pass",
        f"{_LEARNING}what_is_not_told_apart_or_not_seen_stays_at_zero[adam]",
    ),
    fault(
        "embedding", "gradients of all steps so far", "engine/lookup.py",
        "dE.zero_().scatter_add_(", "dE.scatter_add_(",
        *(f"{_LOOKUP}the_gradient_is_that_of_autograd[{own}-True]" for own in (True, False)),
    ),
    fault(
        "embedding", "no gradient where it goes back by hand", "engine/chain.py",
        "x.grad = torch.bmm(d, above.W)", "x.grad = torch.zeros_like(x)",
        *(f"{_LOOKUP}the_gradient_is_that_of_autograd[{own}-True]" for own in (True, False)),
    ),
    fault(
        "embedding", "drawn at random", "engine/stacked_cohort.py",
        '    "embedding": 0.0,\n', "",
        f"{_LOOKUP}vectors_begin_at_zero_and_have_no_effect",
    ),
    fault(
        "embedding", "penalised", "engine/structure/slots.py",
        '("hidden", "recurrent", "closing", "output")',
        '("hidden", "recurrent", "closing", "output", "embedding")',
        *(f"{_LEARNING}penalties_leave_vectors_alone[{rule}]" for rule in ("sgd", "adamw")),
    ),
    fault(
        "embedding", "restored by pre-training", "engine/pretrain.py",
        "missed = (restored - h)[..., : self._restored]", "missed = restored - h",
        f"{_LEARNING}pretraining_restores_numbers_alone",
    ),
    fault(
        "embedding", "for nothing", "engine/structure/costs.py",
        "rows * forward + _MOVE * tables * steps", "rows * forward",
        f"{_TABLES}a_lookup_costs_nothing_and_a_step_moves_each_vector",
    ),
    fault(
        "encoding", "every hundredth year leaps", "data/columns/calendar.py",
        "floor(day / 36524.0)", "floor(day / 36525.0)",
        f"{_COLUMNS}the_parts_of_every_date_are_those_of_the_calendar",
    ),
    fault(
        "encoding", "an unseen text is the first category of a graph", "model/onnx/graph.py",
        "np.array([UNSEEN])", "np.array([0.0])",
        f"{_ONNX}a_text_means_what_it_means_in_a_file",
    ),
    fault(
        "encoding", "a graph that answers otherwise is written", "model/onnx/file.py",
        "if not agrees:", "if False:",
        f"{_ONNX}a_graph_that_answers_otherwise_is_not_written",
    ),
    fault(
        "training", "on the validation rows", "engine/feed.py",
        "training = self.rows(self.data.folds[stream.fold].train, stream.fold)",
        "training = self.rows(self.data.folds[stream.fold].validation, stream.fold)",
        f"{_FORWARD}classes_that_mean_nothing_are_not_predicted[mlp]",
    ),
    fault(
        "folds", "rows that pad a shorter fold are judged", "engine/feed.py",
        "(torch.arange(most) < lengths)", "(torch.arange(most) <= lengths)",
        f"{_MEMBERS}each_fold_is_scored_on_its_own_rows_on_classes",
        f"{_MEMBERS}each_fold_is_scored_on_its_own_rows_on_numbers",
    ),
    fault(
        "folds", "a standard deviation for the standard error", "study/trial.py",
        "loss_se=stdev(losses) / sqrt(len(losses))", "loss_se=stdev(losses)",
        f"{_TRIALS}a_trials_loss_is_the_mean_of_its_runs_with_its_standard_error",
    ),
    fault(
        "folds", "one that stopped counts as it ended", "engine/replicates.py",
        "else self.ended[stream].best or curve[-1]", "else curve[-1]",
        f"{_TRIALS}a_trials_epoch_is_the_mean_over_its_runs_and_those_that_stopped_count_at_their_best",
    ),
    fault(
        "folds", "a failed one is left out", "engine/replicates.py",
        "if isinstance(result, Failed):\n                which",
        "if isinstance(result, str):\n                which",
        f"{_TRIALS}a_trial_fails_where_one_of_its_runs_does",
    ),
    fault(
        "patience", "counted from the start", "engine/train.py",
        "epoch.epoch - self.best.epoch < patience", "epoch.epoch < patience",
        f"{_TRAINING}patience_is_counted_from_the_best_epoch",
        f"{_TRAINING}it_ends_after_patience_epochs_without_a_better_loss",
    ),
    fault(
        "patience", "the last epoch for the best", "engine/train.py",
        "is_best = is_finite and value < self.best_value", "is_best = is_finite",
        f"{_TRAINING}the_result_is_that_of_the_best_epoch",
    ),
    fault(
        "patience", "the weights of the last epoch", "engine/train.py",
        "weights = extract_member(best,", "weights = extract_member(stacked.weights,",
        f"{_TRAINING}the_weights_are_those_of_the_best_epoch",
    ),
    # schedules
    fault(
        "schedule constant", "half the rate", "engine/schedules.py",
        "return 1.0\n", "return 0.5\n",
        f"{_SCHEDULES}the_factor_has_its_closed_form",
        f"{_MATCH}[sgd]",
    ),
    fault(
        "schedule cosine", "down and up again", "engine/schedules.py",
        "math.cos(math.pi * min(", "math.cos(2 * math.pi * min(",
        f"{_SCHEDULES}the_factor_has_its_closed_form",
    ),
    fault(
        "schedule step", "an epoch early", "engine/schedules.py",
        "math.floor(e / int(", "math.ceil(e / int(",
        f"{_SCHEDULES}the_factor_has_its_closed_form",
    ),
    fault(
        "warmup", "from nothing", "engine/schedules.py",
        "(e + per_step) / w", "e / w",
        f"{_SCHEDULES}warm_up_rises_in_a_line_from_the_first_step_on",
    ),
    fault(
        "schedules", "once an epoch", "engine/stacked_cohort.py",
        "e, per_step = step / per_epoch,", "e, per_step = step // per_epoch,",
        f"{_SCHEDULES}every_member_follows_its_own_at_every_step",
    ),
    # the cohort
    fault(
        "draws", "a trial's own, by its number", "engine/stacked_cohort.py",
        "seeds = [member.seed_index for member", "seeds = [member.number for member",
        f"{_PENALTIES}members_threshold_the_same_dropout_noise",
    ),
    fault(
        "draws", "initial weights by the trial's number", "engine/stacked_cohort.py",
        '"init", member.seed_index, index', '"init", member.number, index',
        f"{_MEMBERS}a_seed_begins_the_same_in_each_trial_and_fold_and_another_seed_differently",
    ),
    fault(
        "draws", "the same in each seed group", "engine/structure/members.py",
        "(self.seed_group << _REPLICATE_BITS) + self.replicate", "self.replicate",
        f"{_MEMBERS}a_seed_group_has_its_own_batches_and_draws",
    ),
    fault(
        "draws", "the same in each layer", "engine/draws.py",
        "*self._purpose, seeds, name, number)", "*self._purpose, seeds, number)",
        f"{_PENALTIES}each_pass_epoch_layer_and_replicate_drops_other_units_and_each_trial_the_same",
    ),
    fault(
        "draws", "the same in each pass", "engine/draws.py",
        "*self._purpose, seeds, name, number)", "*self._purpose, seeds, name)",
        f"{_PENALTIES}each_pass_epoch_layer_and_replicate_drops_other_units_and_each_trial_the_same",
    ),
    fault(
        "draws", "of the shape that the company gives", "engine/stacked_cohort.py",
        "in param_slots(bucketed(self.settings),", "in param_slots(self.settings,",
        f"{_COHORTS}a_member_learns_the_same_alone_as_in_a_mixed_cohort",
    ),
    fault(
        "draws", "one order of the rows for all seeds", "engine/feed.py",
        '"order", stream.seed_index, number)', '"order", number)',
        f"{_MEMBERS}an_epoch_shows_a_fold_each_of_its_training_rows_once",
    ),
    fault(
        "divergence", "only what is no number", "engine/structure/diagnosis.py",
        "return not isfinite(loss) or loss > _DIVERGED * reference", "return not isfinite(loss)",
        f"{_TRAINING}diverged_is_no_number_or_ten_times_what_can_be_had_without_learning",
    ),
    fault(
        "divergence", "is trained on", "engine/train.py",
        "self.active = is_finite and is_patient", "self.active = is_patient",
        f"{_COHORTS}a_diverged_member_gives_one_epoch_and_no_more",
    ),
    fault(
        "divergence", "by the latest epoch", "engine/train.py",
        "least = min(self.best.train_loss, self.best.loss)", "least = self.curve[-1].train_loss",
        f"{_TRAINING}what_was_reached_before_a_loss_was_no_number_stays_its_result",
    ),
    fault(
        "compaction", "much later", "engine/train.py",
        "_COMPACT = 3 / 4", "_COMPACT = 1 / 4",
        f"{_COHORTS}a_cohort_is_compacted_when_fewer_than_three_quarters_still_learn",
    ),
    fault(
        "compaction", "optimizers begin anew", "engine/stacked_cohort.py",
        "self._states = (self._states[0].select(keep), self._states[1].select(keep))",
        "self._states = (self.weights.zeros(), self.weights.zeros())",
        f"{_COHORTS}compaction_does_not_disturb_those_that_go_on",
    ),
    fault(
        "compaction", "what weights are drawn back to is forgotten", "engine/stacked_cohort.py",
        "self._anchor = self._anchor.select(keep) if self._anchor else None",
        "self._anchor = self._initial_copy()",
        f"{_COHORTS}a_member_takes_all_that_is_its_own_along_when_the_cohort_is_compacted",
    ),
    fault(
        "batches", "the last, smaller one is left out", "engine/feed.py",
        "in range(0, part.shape[-1], batch_size):",
        "in range(0, part.shape[-1] - batch_size + 1, batch_size):",
        f"{_TRAINING}an_epoch_shows_every_training_row_once_the_last_ones_in_a_smaller_batch",
    ),
    fault(
        "batches", "the last one weighs as much as the others", "engine/train.py",
        "total.add_(losses, alpha=batch.targets.shape[-1])",
        'total.add_(losses, alpha=int(stacked.settings["batch_size"]))',
        f"{_TRAINING}the_training_loss_is_the_mean_over_rows_not_over_batches",
    ),
    fault(
        "bytes", "become floats in memory", "engine/feed.py",
        "self._bytes = data.inputs.dtype == np.uint8", "self._bytes = False",
        f"{_TRAINING}bytes_stay_bytes_in_memory",
    ),
    fault(
        "pauses", "weights begin anew", "engine/stacked_cohort.py",
        '            "weights": self.weights,\n', "",
        *(f"{_GOING_ON}every_net_goes_on_as_if_it_had_not_stopped[{net}]" for net in NETS),
        *(f"{_GOING_ON}so_does_all_else_that_a_member_may_hold[{kind}]" for kind in KINDS),
        *(f"{_GOING_ON}the_company_may_change_at_each_pause[{kind}]" for kind in (*NETS, *KINDS)),
        f"{_GOING_ON}others_that_end_meanwhile_are_no_hindrance",
        f"{_GOING_ON}alone_it_goes_on_to_the_last_bit",
        f"{_WEIGHTS}another_process_goes_on_with_the_same_bits",
    ),
    fault(
        "pauses", "optimizers begin anew", "engine/stacked_cohort.py",
        "state = self._states[: states(rule)]", "state = self._states[:0]",
        *(
            f"{_GOING_ON}optimizers_remember{where}[{name}]"
            for where in ("", "_in_other_company")
            for name in OPTIMIZERS
            if name != "sgd"
        ),
    ),
    fault(
        "pauses", "steps are counted anew", "engine/stacked_cohort.py",
        "self.step_number = members[0].start_epoch * task.steps", "self.step_number = 0",
        *(f"{_GOING_ON}optimizers_remember[{name}]" for name in OPTIMIZERS),
        f"{_GOING_ON}so_does_all_else_that_a_member_may_hold[step]",
    ),
    fault(
        "pauses", "the best weights are forgotten", "engine/checkpoint.py",
        'in {"best": best, **stacked.parts(position)}.items():',
        "in stacked.parts(position).items():",
        f"{_RESULTS}the_best_weights_from_before_a_pause_are_kept[loss]",
        f"{_RESULTS}the_best_weights_from_before_a_pause_are_kept[accuracy]",
    ),
    fault(
        "pauses", "the best epoch is forgotten", "engine/train.py",
        "pause.reference, pause.best, pause.at, pause.active",
        "pause.reference, active=pause.active",
        f"{_RESULTS}the_best_weights_from_before_a_pause_are_kept[loss]",
        f"{_RESULTS}patience_counts_on_across_a_pause",
        f"{_RESULTS}one_that_is_over_comes_to_the_same_again_at_no_cost",
        f"{_PAUSED_TRIALS}a_trial_of_several_members_goes_on_as_one",
    ),
    fault(
        "pauses", "the reference is forgotten", "engine/train.py",
        "pause.epochs, pause.reference, pause.best,", "pause.epochs, math.inf, pause.best,",
        f"{_RESULTS}one_that_has_diverged_fails_when_it_is_over",
        f"{_RESULTS}a_loss_is_held_against_that_before_the_first_step_not_before_the_segment",
    ),
    fault(
        "pauses", "those that are over go on", "engine/train.py",
        "if pause is None or pause.active:", "if True:",
        f"{_RESULTS}one_that_is_over_comes_to_the_same_again_at_no_cost",
        f"{_PAUSED_TRIALS}a_trial_of_several_members_goes_on_as_one",
    ),
    fault(
        "pauses", "a pause takes one that is over for one that is not", "engine/train.py",
        "self.best_value, self.best, self.active, tensors)",
        "self.best_value, self.best, True, tensors)",
        f"{_RESULTS}one_that_stops_before_the_rung_or_at_it_is_over[2-3]",
        f"{_RESULTS}one_that_stops_before_the_rung_or_at_it_is_over[4-5]",
    ),
    fault(
        "pauses", "at the end, too", "engine/structure/members.py",
        'return self.end < int(self.settings["epochs"])', "return True",
        f"{_RESULTS}a_whole_training_leaves_nothing_to_go_on_with",
    ),
    fault(
        "pauses", "pre-training is done again", "engine/train.py",
        "if not members[0].start_epoch:", "if True:",
        f"{_GOING_ON}pre_training_comes_before_the_first_epoch_alone",
    ),
    fault(
        "pauses", "pre-training is paid for in each segment", "engine/structure/costs.py",
        "(0 if start else self.flops_before)", "self.flops_before",
        f"{_RESULTS}a_segment_gives_the_best_of_all_epochs_and_what_it_took_itself",
    ),
    fault(
        "pauses", "a segment pays for those before", "engine/structure/costs.py",
        "return (epochs - start) * self.steps +", "return epochs * self.steps +",
        f"{_RESULTS}a_segment_gives_the_best_of_all_epochs_and_what_it_took_itself",
        f"{_PAUSED_TRIALS}a_trial_of_several_members_goes_on_as_one",
    ),
    fault(
        "pauses", "members of different segments train together", "engine/train.py",
        "((start, end),) = {(member.start_epoch, member.end) for member in members}",
        "start, end = members[0].start_epoch, members[0].end",
        f"{_GOING_ON}members_of_different_segments_are_refused",
    ),
    fault(
        "pauses", "cohorts are blind to segments", "engine/structure/cohorts.py",
        "(key(one), apart and apart[position])", "key(one)",
        f"{_PAUSED_TRIALS}segments_are_apart_in_cohorts",
    ),
    fault(
        "pauses", "kept after the result is given", "objectives/training.py",
        """            if isinstance(event, MemberEnded) and event.pause:
                digest = artefacts.write(pause_to_bytes(event.pause))
                left.setdefault(event.member.number, {})[pause_name(event.member)] = digest
            yield event
""",
        """            yield event
            if isinstance(event, MemberEnded) and event.pause:
                digest = artefacts.write(pause_to_bytes(event.pause))
                left.setdefault(event.member.number, {})[pause_name(event.member)] = digest
""",
        f"{_WEIGHTS}what_a_result_names_is_kept_before_it_is_given",
    ),
    fault(
        "pauses", "numbers are rounded", "engine/checkpoint.py",
        'json.dumps({**known, "at": asdict(pause.at)})',
        'json.dumps({**known, "best": float(f"{pause.best:.6g}"), "at": asdict(pause.at)})',
        f"{_GOING_ON}what_is_written_is_read_to_the_last_bit",
    ),
    fault(
        "pauses", "whoever has lost patience may go on", "engine/train.py",
        "return self.active and self.member.pauses", "return self.member.pauses",
        f"{_RESULTS}a_result_says_whether_it_may_go_on[3-2-False]",
        f"{_RESULTS}one_that_stops_before_the_rung_or_at_it_is_over[4-5]",
    ),
    fault(
        "pauses", "a trial's epochs are counted anew", "engine/replicates.py",
        "number = self.members[0].start_epoch + len(self.curve) + 1",
        "number = len(self.curve) + 1",
        f"{_PAUSED_TRIALS}a_trial_of_several_members_goes_on_as_one",
    ),
)  # fmt: skip
